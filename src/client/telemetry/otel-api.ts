/**
 * What this client uses of `@opentelemetry/api`, so that nobody needs that package who does not use it: whoever does hands the module in
 * (`import * as api from '@opentelemetry/api'`). A test holds these types to the package's own.
 */
export interface OtelApi {
  readonly trace: {
    getTracer(name: string): OtelTracer;
    setSpan(context: OtelContext, span: OtelSpan): OtelContext;
  };
  readonly metrics: { getMeter(name: string): OtelMeter };
  readonly context: {
    active(): OtelContext;
    with<T>(context: OtelContext, run: () => T): T;
  };
  readonly propagation: {
    inject(context: OtelContext, carrier: Record<string, string>): void;
    extract(context: OtelContext, carrier: Record<string, string>): OtelContext;
  };
}

/** Opaque here: the application's own. */
export interface OtelContext {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): OtelContext;
  deleteValue(key: symbol): OtelContext;
}

export type OtelAttributes = Record<string, string | number | string[]>;

export interface OtelTracer {
  startSpan(
    name: string,
    options: { readonly kind: number; readonly attributes: OtelAttributes },
    context: OtelContext,
  ): OtelSpan;
}

export interface OtelSpan {
  setAttributes(attributes: OtelAttributes): unknown;
  setStatus(status: { readonly code: number; readonly message: string }): unknown;
  recordException(exception: Error): void;
  end(): void;
}

export interface OtelMeter {
  createCounter(name: string, options: { readonly unit: string; readonly description: string }): OtelCounter;
  createHistogram(name: string, options: { readonly unit: string; readonly description: string }): OtelHistogram;
}

export interface OtelCounter {
  add(value: number, attributes: OtelAttributes): void;
}

export interface OtelHistogram {
  record(value: number, attributes: OtelAttributes): void;
}

/** `SpanKind` of the package. */
export const SpanKind = { CLIENT: 2, PRODUCER: 3, CONSUMER: 4 } as const;
export type SpanKind = (typeof SpanKind)[keyof typeof SpanKind];

/** `SpanStatusCode.ERROR` of the package. */
export const spanStatusError = 2;

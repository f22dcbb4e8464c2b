import { cors } from '@connectrpc/connect';

/** How long browsers may remember what they were allowed, in s; they forget it after 2 h at most. */
const maxAgeSeconds = '7200';

const allowedHeaders = [...cors.allowedHeaders, 'authorization'].join(', ');
const allowedMethods = cors.allowedMethods.join(', ');
const exposedHeaders = cors.exposedHeaders.join(', ');

/** What a browser is told of a request. */
export interface CorsAnswer {
  readonly fields: readonly (readonly [string, string])[];
  /** Set where that is all: the request is a preflight, or one of another origin. */
  readonly status?: number;
  readonly text?: string;
}

/**
 * Which web pages may call: those of the listed origins. A page of another origin is refused before its call is looked at: browsers
 * would keep only the answer from it, and not at all where its name was made to lead here (DNS rebinding).
 */
export class CorsPolicy {
  readonly #origins: ReadonlySet<string>;

  /** @param origins such as `https://shop.example`; `*` for all. */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  /**
   * @param origin what the request says of its page; only browsers say anything.
   * @param preflightMethod its `access-control-request-method`.
   * @returns undefined where no browser asks.
   */
  answer(method: string, origin: string | undefined, preflightMethod: string | undefined): CorsAnswer | undefined {
    if (origin === undefined) return undefined;
    const vary = ['vary', 'origin'] as const;
    if (!this.#origins.has(origin) && !this.#origins.has('*')) {
      const text = 'pages of this origin may not call: list it in PROXY_CORS_ORIGINS\n';
      return { fields: [vary, ['content-type', 'text/plain']], status: 403, text };
    }
    const fields = [vary, ['access-control-allow-origin', origin]] as const;
    if (method !== 'OPTIONS' || preflightMethod === undefined) {
      return { fields: [...fields, ['access-control-expose-headers', exposedHeaders]] };
    }
    return {
      fields: [
        ...fields,
        ['access-control-allow-methods', allowedMethods],
        ['access-control-allow-headers', allowedHeaders],
        ['access-control-max-age', maxAgeSeconds],
      ],
      status: 204,
    };
  }
}

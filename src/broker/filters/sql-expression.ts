import type { JavaNumber } from './java-text.ts';

export type OrderOperator = '>' | '>=' | '<' | '<=';
export type TextTest = 'CONTAINS' | 'STARTSWITH' | 'ENDSWITH';

/** One SQL92 condition or operand, as parsed. The names follow Java `org.apache.rocketmq.filter.expression`. */
export type SqlExpression =
  | { readonly kind: 'literal'; readonly value: string | boolean | JavaNumber | null }
  | { readonly kind: 'property'; readonly name: string }
  | { readonly kind: 'negate'; readonly operand: SqlExpression }
  | { readonly kind: 'not'; readonly operand: SqlExpression }
  /** A property where a condition is wanted. */
  | { readonly kind: 'condition'; readonly operand: SqlExpression }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly SqlExpression[] }
  | { readonly kind: 'equal'; readonly left: SqlExpression; readonly right: SqlExpression }
  | { readonly kind: 'isNull'; readonly operand: SqlExpression }
  | {
      readonly kind: 'order';
      readonly operator: OrderOperator;
      readonly left: SqlExpression;
      readonly right: SqlExpression;
    }
  | {
      readonly kind: 'between';
      readonly not: boolean;
      readonly operand: SqlExpression;
      readonly low: SqlExpression;
      readonly high: SqlExpression;
    }
  | {
      readonly kind: 'in';
      readonly not: boolean;
      readonly operand: SqlExpression;
      readonly values: ReadonlySet<string>;
    }
  | {
      readonly kind: 'text';
      readonly test: TextTest;
      readonly not: boolean;
      readonly operand: SqlExpression;
      readonly search: string;
    };

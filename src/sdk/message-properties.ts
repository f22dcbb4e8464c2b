/** What a message has besides body and tag. Methods can be chained; fields may be set as well. */
export class MessageProperties {
  /** Your own properties. Names that RocketMQ uses itself are refused when the message is published. */
  properties: { [key: string]: string } = {};
  /** Key that the message can be found by; '' for none. */
  message_key = '';
  /** Messages of one sharding key are stored in one queue; '' for none. */
  sharding_key = '';
  /** Time of delivery, in ms since 1970; 0: at once. */
  start_deliver_time = 0;
  /** Seconds before a broker first asks for the outcome of a transaction; 0: the broker's own. */
  trans_check_immunity_time = 0;

  /** Sets a property of your own. */
  putProperty(key: string, value: string | number): this {
    this.properties[key] = String(value);
    return this;
  }

  /** Sets the key that the message can be found by. */
  messageKey(key: string | number): this {
    this.message_key = String(key);
    return this;
  }

  /** Sets the sharding key. */
  shardingKey(key: string | number): this {
    this.sharding_key = String(key);
    return this;
  }

  /** Sets the time of delivery. @param timestampMs ms since 1970. */
  startDeliverTime(timestampMs: number): this {
    this.start_deliver_time = Number(timestampMs);
    return this;
  }

  /** Sets the immunity of a transaction against checks, in seconds. */
  transCheckImmunityTime(seconds: number): this {
    this.trans_check_immunity_time = Number(seconds);
    return this;
  }
}

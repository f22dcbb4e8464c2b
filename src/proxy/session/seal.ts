import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** What a sealed text stands for. A text of one kind never opens as another. */
export type SealedKind = 'producer' | 'consumer' | 'receipt' | 'deliveries' | 'peer' | 'transaction' | 'recall';

/** Length of a seal key. */
export const sealKeyBytes = 32;

/** Longest sealed text that is looked at; longer ones are refused before they are decoded. */
export const sealedCharsMax = 16_384;

const version = 1;
const keyIdBytes = 4;
const saltBytes = 16;
const saltAt = 1 + keyIdBytes;
const counterAt = saltAt + saltBytes;
const headerBytes = counterAt + 8;
const tagBytes = 16;

/** Longest payload that can be sealed: its text is then `sealedCharsMax` long. */
export const payloadBytesMax = (sealedCharsMax / 4) * 3 - headerBytes - tagBytes;

/** About what an id has. */
const decoyBytes = 100;

/** Most sub-keys of other processes that are kept; a sub-key that is not kept is derived anew. */
const derivedKeysMax = 1024;

/** A text that this proxy did not seal, or not as this kind, or that was altered. The text is the same whatever the cause. */
export class SealError extends Error {
  constructor() {
    super('was not issued by this service, or was altered: use it exactly as it was returned');
    this.name = 'SealError';
  }
}

/**
 * Turns a payload into an opaque text that only holders of the keys can read, alter or make.
 *
 * The text is base64url of: version (1 byte), key id (4), salt (16), counter (8), ciphertext, tag (16); AES-256-GCM, with the kind and
 * everything before the ciphertext as additional data. No nonce repeats however many texts are sealed and however many processes share
 * a key: each Sealer draws a salt of its own, encrypts under a sub-key derived from it (HKDF-SHA256), and counts its nonces from zero.
 */
export class Sealer {
  /** By key id: all keys that open. */
  #keys: ReadonlyMap<number, Uint8Array> = new Map();
  /** Of the next text: of the key that seals. */
  readonly #header = Buffer.alloc(headerBytes);
  #sealingKey: KeyObject;
  /** By key id and salt, as they stand in the text. Only what opened is kept, so that forged texts push nothing out. */
  readonly #derivedKeys = new LRUCache<string, KeyObject>({ max: derivedKeysMax });
  readonly #onUnknownKey: (keyId: string) => void;
  /** Is worked on in place of what is no sealed text. */
  readonly #decoy: KeyedBytes = {
    sealed: randomBytes(headerBytes + decoyBytes + tagBytes),
    key: randomBytes(sealKeyBytes),
  };
  /** Texts sealed so far, the next nonce: below 2^53 for as long as a process can live. */
  #sealedCount = 0;
  #replacedCount = 0;

  /**
   * @param keys the first seals, all of them open; 32 bytes each.
   * @param onUnknownKey hears the id, as hex, of a key that it does not have, whenever a text seems to be sealed under one.
   * @throws RangeError for no key or one of another length.
   */
  constructor(keys: readonly Uint8Array[], onUnknownKey: (keyId: string) => void = () => {}) {
    this.#onUnknownKey = onUnknownKey;
    this.#header[0] = version;
    randomBytes(saltBytes).copy(this.#header, saltAt);
    this.#sealingKey = this.#use(keys);
  }

  /** How often keys were replaced: what opened before the last time need not open any more. */
  get replacedCount(): number {
    return this.#replacedCount;
  }

  /**
   * Seals and opens with these keys from now on; what was sealed under a key that is no more among them does not open.
   * @throws RangeError as the constructor; nothing has changed then.
   */
  replaceKeys(keys: readonly Uint8Array[]): void {
    this.#sealingKey = this.#use(keys);
    this.#replacedCount += 1;
  }

  /** @throws RangeError for a payload longer than `payloadBytesMax`. */
  seal(kind: SealedKind, payload: Uint8Array): string {
    if (payload.length > payloadBytesMax) {
      throw new RangeError(`a ${kind} of ${payload.length} bytes is too long to seal: at most ${payloadBytesMax}`);
    }
    const sealed = Buffer.allocUnsafe(headerBytes + payload.length + tagBytes);
    this.#header.copy(sealed);
    sealed.writeBigUInt64BE(BigInt(this.#sealedCount), counterAt);
    this.#sealedCount += 1;
    const cipher = createCipheriv('aes-256-gcm', this.#sealingKey, nonce(sealed));
    cipher.setAAD(additionalData(kind, sealed));
    sealed.set(cipher.update(payload), headerBytes);
    cipher.final();
    sealed.set(cipher.getAuthTag(), headerBytes + payload.length);
    return sealed.toString('base64url');
  }

  /** @returns the key that seals. */
  #use(keys: readonly Uint8Array[]): KeyObject {
    const [first] = keys;
    if (first === undefined) throw new RangeError('a Sealer needs a key');
    if (keys.some((key) => key.length !== sealKeyBytes)) throw new RangeError(`a seal key has ${sealKeyBytes} bytes`);
    // Earlier keys win where two ids agree, which chance does not bring about.
    this.#keys = new Map(keys.map((key) => [keyId(key), key] as const).reverse());
    this.#header.writeUInt32BE(keyId(first), 1);
    const sealingKey = deriveKey(first, this.#header.subarray(saltAt, counterAt));
    this.#derivedKeys.set(cacheKey(this.#header), sealingKey);
    return sealingKey;
  }

  /**
   * @throws SealError for anything but what `seal` returned for this kind under one of the keys. Whatever is wrong with the text, that takes one
   * derivation and one decryption, so that its sender learns nothing by the time.
   */
  open(kind: SealedKind, text: string): Buffer {
    const { sealed, key } = this.#read(text);
    const cached = cacheKey(sealed);
    const salt = sealed.subarray(saltAt, counterAt);
    const known = this.#derivedKeys.get(cached);
    const derived = known ?? deriveKey(key, salt);
    const payload = decrypt(derived, kind, sealed);
    if (payload === undefined) {
      if (known !== undefined) deriveKey(key, salt);
      throw new SealError();
    }
    if (known === undefined) this.#derivedKeys.set(cached, derived);
    return payload;
  }

  /** Takes as long as a refusal by `open`, where something that opens is refused all the same. */
  spend(kind: SealedKind): void {
    try {
      this.open(kind, '');
    } catch {
      // Only the time was wanted.
    }
  }

  /** The bytes of a text and the key for them; a decoy where there are none, which never opens. */
  #read(text: string): KeyedBytes {
    const sealed = decode(text);
    if (sealed === undefined) return this.#decoy;
    const key = this.#keys.get(sealed.readUInt32BE(1));
    if (key !== undefined) return { sealed, key };
    this.#onUnknownKey(sealed.toString('hex', 1, saltAt));
    return this.#decoy;
  }
}

interface KeyedBytes {
  readonly sealed: Buffer;
  readonly key: Uint8Array;
}

/** Undefined for what is no sealed text of this version. */
function decode(text: string): Buffer | undefined {
  if (text.length > sealedCharsMax) return undefined;
  const sealed = Buffer.from(text, 'base64url');
  // The decoder skips what it does not know: only the one spelling that `seal` writes counts.
  if (sealed.length < headerBytes + tagBytes || sealed.toString('base64url') !== text) return undefined;
  return sealed[0] === version ? sealed : undefined;
}

/** Undefined for what was not sealed so. */
function decrypt(key: KeyObject, kind: SealedKind, sealed: Buffer): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce(sealed), { authTagLength: tagBytes });
  decipher.setAAD(additionalData(kind, sealed));
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  const payload = decipher.update(sealed.subarray(headerBytes, sealed.length - tagBytes));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return payload;
}

/** The 8-byte counter behind four zero bytes. */
function nonce(sealed: Buffer): Buffer {
  const bytes = Buffer.alloc(12);
  sealed.copy(bytes, 4, counterAt, headerBytes);
  return bytes;
}

function additionalData(kind: SealedKind, sealed: Buffer): Buffer {
  return Buffer.concat([Buffer.from(kind, 'latin1'), sealed.subarray(0, headerBytes)]);
}

function cacheKey(sealed: Buffer): string {
  return sealed.toString('latin1', 1, counterAt);
}

function deriveKey(key: Uint8Array, salt: Uint8Array): KeyObject {
  return createSecretKey(hkdf(key, salt, 'rocketmq-grpc-proxy sealing key'));
}

/** Says which key sealed a text and tells nothing else about it. */
function keyId(key: Uint8Array): number {
  return hkdf(key, '', 'rocketmq-grpc-proxy key id').readUInt32BE();
}

/** The first 32 bytes of HKDF-SHA256 (RFC 5869): two HMACs take half the time of `hkdfSync`, which makes key objects of its own. */
function hkdf(key: Uint8Array, salt: Uint8Array | string, info: string): Buffer {
  const extracted = createHmac('sha256', salt).update(key).digest();
  return createHmac('sha256', extracted).update(info).update(firstBlock).digest();
}

/** The number of the block that is wanted. */
const firstBlock = Uint8Array.of(1);

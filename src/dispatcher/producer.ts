/**
 * Sources of output that an `AsyncChat` pulls from when there is room: asynchat's producers (objects with `more()`),
 * iterables, async iterables, and Blobs (also `Bun.file()`). {@link pullFrom} makes one shape of them.
 */
import { ArgumentTypeError } from "../base/errors.ts";
import { isEmpty, type SendData } from "../bytes/send-data.ts";

/** asynchat's producer: each call gives the next bytes; nothing or empty bytes end it. */
export interface Producer {
  more(): SendData | null | undefined;
}

/** What `pushWithProducer()` takes. */
export type ProducerSource = Producer | Iterable<SendData> | AsyncIterable<SendData> | Blob;

/** One shape for every source. */
export interface Pull {
  /** The next bytes, undefined at the end; a promise from an async source. */
  next(): SendData | undefined | Promise<SendData | undefined>;
  /** Nothing more is wanted: lets the source release what it holds. */
  cancel(): void;
}

/** Cuts `data` into pieces of `bufferSize` bytes (default 512): asynchat's `simple_producer`. */
export class SimpleProducer implements Producer {
  #data: Buffer;
  readonly #bufferSize: number;

  constructor(data: string | Uint8Array, bufferSize: number = 512) {
    // A copy: the producer may be asked long after the caller has reused its memory.
    this.#data = Buffer.from(data);
    this.#bufferSize = bufferSize;
  }

  more(): Buffer {
    const piece = this.#data.subarray(0, this.#bufferSize);
    this.#data = this.#data.subarray(this.#bufferSize);
    return piece;
  }
}

/** @throws {ArgumentTypeError} not a source */
export function pullFrom(source: ProducerSource): Pull {
  if (typeof source === "object" && source !== null) {
    if ("more" in source) return pullProducer(source);
    if (source instanceof Blob) return pullAsync(source.stream()[Symbol.asyncIterator]());
    if (Symbol.asyncIterator in source) return pullAsync(source[Symbol.asyncIterator]());
    if (Symbol.iterator in source && !ArrayBuffer.isView(source))
      return pullIterator(source[Symbol.iterator]());
  }
  throw new ArgumentTypeError(
    "pushWithProducer: an object with more(), an iterable, an async iterable or a Blob",
  );
}

function pullProducer(producer: Producer): Pull {
  return {
    next: () => {
      const data = producer.more();
      return data === null || data === undefined || isEmpty(data) ? undefined : data;
    },
    cancel: () => {},
  };
}

function pullIterator(iterator: Iterator<SendData>): Pull {
  return {
    next: () => {
      const result = iterator.next();
      return result.done === true ? undefined : result.value;
    },
    cancel: () => {
      iterator.return?.();
    },
  };
}

function pullAsync(iterator: AsyncIterator<SendData>): Pull {
  return {
    next: async () => {
      const result = await iterator.next();
      return result.done === true ? undefined : result.value;
    },
    cancel: () => {
      // The source is told to stop; how that ends is of no interest to a channel that is gone.
      iterator.return?.().catch(() => {});
    },
  };
}

/**
 * The web's streams over a channel. Neither holds bytes of its own: the readable one asks for a chunk when it is asked
 * for one, the writable one has one write under way at a time. Called by `stream-channel.ts`.
 */
import type { SendData } from "../bytes/send-data.ts";

/** Where a readable view takes its chunks from. */
export interface ChunkSource {
  /** The next chunk, null at the end. */
  read(): Promise<Buffer | null>;
  cancel(): void;
}

/** A byte stream over `source`. Chunks that own their memory are passed on as they are. */
export function readableView(source: ChunkSource): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: "bytes",
    async pull(controller): Promise<void> {
      const chunk = await source.read();
      if (chunk !== null) {
        controller.enqueue(exclusive(chunk));
        return;
      }
      controller.close();
      // A read that brought its own memory gets it back.
      (controller.byobRequest as { respond(bytes: number): void } | null)?.respond(0);
    },
    cancel: () => source.cancel(),
  });
}

// A byte stream takes the whole ArrayBuffer away from everybody else.
function exclusive(chunk: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer } = chunk;
  return buffer instanceof ArrayBuffer && buffer.byteLength === chunk.length
    ? (chunk as Buffer<ArrayBuffer>)
    : new Uint8Array(chunk);
}

/** What a writable view does with what it is given. */
export interface ChunkSink {
  /** Resolves when there is room for more. */
  write(data: SendData): Promise<void>;
  close(): Promise<void>;
  abort(): void;
}

/** A writable view, and how it is told that nothing can be written any more. */
export interface WritableView {
  readonly stream: WritableStream<SendData>;
  fail(error: unknown): void;
}

export function writableView(sink: ChunkSink): WritableView {
  let started: WritableStreamDefaultController | undefined;
  const stream = new WritableStream<SendData>({
    start(controller) {
      started = controller;
    },
    write: (data) => sink.write(data),
    close: () => sink.close(),
    abort: () => sink.abort(),
  });
  return { stream, fail: (error) => started?.error(error) };
}

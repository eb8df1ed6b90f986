/** asynchat's `async_chat`: the core's `AsyncChat` with Python's names, and its list of collected data. */
import { ArgumentTypeError, BlockingIOError } from "../base/errors.ts";
import type { SendData } from "../bytes/send-data.ts";
import { AsyncChat, type Terminator } from "../dispatcher/async-chat.ts";
import type { HookResult } from "../dispatcher/dispatch.ts";
import type { ProducerSource } from "../dispatcher/producer.ts";
import { type Named, pythonNames } from "./dispatcher.ts";

const EMPTY: Buffer = Buffer.alloc(0);

const NamedChat: Named<typeof AsyncChat> = pythonNames(AsyncChat);

/** `AsyncChat` with Python's names. Override `collect_incoming_data()` and `found_terminator()`. */
export class async_chat extends NamedChat {
  /** `AsyncChat.acInBufferSize`; on a class's prototype or an instance. */
  declare ac_in_buffer_size: number;
  /** `AsyncChat.acOutBufferSize`; on a class's prototype or an instance. */
  declare ac_out_buffer_size: number;
  /** Whether text is sent, and taken as a terminator, in `encoding`. Default false: as UTF-8. */
  declare use_encoding: boolean | number;
  /** Python's default is latin-1 too. Text that it does not have throws. */
  declare encoding: BufferEncoding;
  /** What `_collect_incoming_data()` has collected. */
  incoming: Uint8Array[] = [];

  override collectIncomingData(data: Buffer): HookResult {
    return this.collect_incoming_data(data);
  }
  /** `AsyncChat.collectIncomingData()` */
  collect_incoming_data(data: Buffer): HookResult {
    return super.collectIncomingData(data);
  }
  /** A `collect_incoming_data()` ready made: keeps `data` in `incoming`. */
  _collect_incoming_data(data: Buffer): void {
    this.incoming.push(data);
  }
  /** Takes everything out of `incoming`, joined. */
  _get_data(): Buffer {
    return Buffer.concat(this.incoming.splice(0));
  }
  override foundTerminator(): HookResult {
    return this.found_terminator();
  }
  /** `AsyncChat.foundTerminator()` */
  found_terminator(): HookResult {
    return super.foundTerminator();
  }

  override setTerminator(terminator: Terminator): void {
    this.set_terminator(terminator);
  }
  /** `AsyncChat.setTerminator()` @throws {ArgumentRangeError} a count that is negative or fractional */
  set_terminator(term: Terminator): void {
    super.setTerminator(typeof term === "string" && this.use_encoding ? encode(term, this.encoding) : term);
  }
  override getTerminator(): Terminator {
    return this.get_terminator();
  }
  /** `AsyncChat.getTerminator()` */
  get_terminator(): Terminator {
    return super.getTerminator();
  }

  /** `AsyncChat.pushWithProducer()`; text and bytes are pushed as they are, as Python's queue takes them. */
  push_with_producer(producer: ProducerSource | SendData): void {
    if (isData(producer)) this.push(producer);
    else super.pushWithProducer(producer);
  }
  /** `AsyncChat.closeWhenDone()` */
  close_when_done(): void {
    super.closeWhenDone();
  }
  override initiateSend(): HookResult {
    return this.initiate_send();
  }
  /** `AsyncChat.initiateSend()` */
  initiate_send(): HookResult {
    this.acOutBufferSize = this.ac_out_buffer_size;
    return super.initiateSend();
  }
  override handle_read(): HookResult {
    this.acInBufferSize = this.ac_in_buffer_size;
    return super.handle_read();
  }
  // Python's handle_read() takes BlockingIOError, which a socket of the program's own may throw, for nothing to read.
  override recv(size?: number, flags?: number): Buffer {
    try {
      return super.recv(size, flags);
    } catch (error) {
      if (error instanceof BlockingIOError) return EMPTY;
      throw error;
    }
  }
  // All that was pushed and produced goes through here.
  override send(data: SendData, flags?: number): number {
    return super.send(
      typeof data === "string" && this.use_encoding ? encode(data, this.encoding) : data,
      flags,
    );
  }

  // `discardBuffers()` does not call this: the core's close() calls that, and Python's keeps `incoming`.
  /** `AsyncChat.discardBuffers()`, and empties `incoming`. */
  discard_buffers(): void {
    this.incoming = [];
    super.discardBuffers();
  }
}
async_chat.prototype.ac_in_buffer_size = 65_536;
async_chat.prototype.ac_out_buffer_size = 65_536;
async_chat.prototype.use_encoding = false;
async_chat.prototype.encoding = "latin1";

function isData(value: ProducerSource | SendData): value is SendData {
  if (typeof value === "string" || ArrayBuffer.isView(value)) return true;
  return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

// Buffer.from() would send other bytes instead of what an encoding lacks; Python raises UnicodeEncodeError.
function encode(text: string, encoding: BufferEncoding): Buffer {
  const bytes = Buffer.from(text, encoding);
  if (bytes.toString(encoding) !== text) throw new ArgumentTypeError(`text that ${encoding} does not have`);
  return bytes;
}

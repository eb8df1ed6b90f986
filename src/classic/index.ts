/** The public API of `asyncore/classic`: the names of Python's asyncore and asynchat, re-exports only. */
export type { Address } from "../base/address.ts";
export * from "../base/constants.ts";
export { ExitNow } from "../base/errors.ts";
export type { SendData } from "../bytes/send-data.ts";
export { findPrefixAtEnd as find_prefix_at_end } from "../bytes/terminator.ts";
export type { Terminator } from "../dispatcher/async-chat.ts";
export { ChannelMap, socketMap as socket_map } from "../dispatcher/channel-map.ts";
export type { HookResult } from "../dispatcher/dispatch.ts";
export type { FileLike } from "../dispatcher/file-dispatcher.ts";
export type { Producer, ProducerSource } from "../dispatcher/producer.ts";
export { SimpleProducer as simple_producer } from "../dispatcher/producer.ts";
export type { Socket } from "../socket/socket.ts";
export { async_chat } from "./async-chat.ts";
export { dispatcher, type PythonNames } from "./dispatcher.ts";
export { dispatcher_with_send } from "./dispatcher-with-send.ts";
export { file_dispatcher, file_wrapper } from "./file-dispatcher.ts";
export {
  close_all,
  type EventHandlers,
  loop,
  type LoopArguments,
  poll,
  poll2,
  poll3,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  read,
  readwrite,
  write,
} from "./loop.ts";
export { compact_traceback, type CompactTracebackTuple } from "./traceback.ts";

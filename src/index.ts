/** The public API of `asyncore`: re-exports only. */
export type { Address } from "./base/address.ts";
export { formatAddress, sameAddress } from "./base/address.ts";
export type { Clock, TimerHandle } from "./base/clock.ts";
export { systemClock } from "./base/clock.ts";
export * from "./base/constants.ts";
export * from "./base/errors.ts";
export type { SendData } from "./bytes/send-data.ts";
export { findPrefixAtEnd } from "./bytes/terminator.ts";
export type { BackoffOptions } from "./client/backoff.ts";
export { connect } from "./client/connect.ts";
export type { ChannelClass, ConnectOptions, ConnectTarget, DialOptions } from "./client/connect-options.ts";
export { ConnectFailedError } from "./client/connect-failed-error.ts";
export type { ReconnectOptions } from "./client/reconnect.ts";
export { reconnect, ReconnectingClient } from "./client/reconnect.ts";
export type { Lookup } from "./client/resolve.ts";
export type { ChunksOptions } from "./client/stream-channel.ts";
export { StreamChannel } from "./client/stream-channel.ts";
export type { Terminator } from "./dispatcher/async-chat.ts";
export { AsyncChat } from "./dispatcher/async-chat.ts";
export type { Channel } from "./dispatcher/channel-map.ts";
export { ChannelMap, socketMap } from "./dispatcher/channel-map.ts";
export type { HookResult } from "./dispatcher/dispatch.ts";
export { Dispatcher } from "./dispatcher/dispatcher.ts";
export { DispatcherWithSend } from "./dispatcher/dispatcher-with-send.ts";
export type { FileLike } from "./dispatcher/file-dispatcher.ts";
export { FileDispatcher } from "./dispatcher/file-dispatcher.ts";
export type { LoopOptions } from "./dispatcher/loop.ts";
export { closeAll, loop, poll } from "./dispatcher/loop.ts";
export type { Closed } from "./dispatcher/milestones.ts";
export type { Producer, ProducerSource } from "./dispatcher/producer.ts";
export { SimpleProducer } from "./dispatcher/producer.ts";
export type { TimeoutKind } from "./dispatcher/timeouts.ts";
export type { Timer } from "./dispatcher/timers.ts";
export { callEvery, callLater } from "./dispatcher/timers.ts";
export type { CompactTraceback, Frame } from "./dispatcher/traceback.ts";
export { compactTraceback } from "./dispatcher/traceback.ts";
export { defaultLimits, streamLimits } from "./socket/limits.ts";
export type { SocketOptions } from "./socket/create-socket.ts";
export type { Socket, SocketObserver, SocketState, StreamLimits } from "./socket/socket.ts";
export type {
  PeerCertificate,
  PemSource,
  SniLookup,
  TlsIdentity,
  TlsOptions,
  TlsSession,
  TlsVersion,
} from "./socket/tls-options.ts";
export type { ReceiveLimits } from "./socket/udp.ts";
export { UdpSocket } from "./socket/udp.ts";
export type { ByteRates } from "./socket/throttle.ts";

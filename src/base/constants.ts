/**
 * The numbers of <sys/socket.h> that a program names, for the platforms Bun runs on. Linux's values, with the
 * BSD ones where macOS differs.
 */
const bsd: boolean = process.platform === "darwin" || process.platform === "freebsd";

/** Unix domain sockets. */
export const AF_UNIX = 1;
/** IPv4. */
export const AF_INET = 2;
/** IPv6. */
export const AF_INET6: number = bsd ? 30 : 10;

/** A reliable, ordered stream of bytes. */
export const SOCK_STREAM = 1;
/** Datagrams. */
export const SOCK_DGRAM = 2;

/** Option level of the socket itself. */
export const SOL_SOCKET: number = bsd ? 0xffff : 1;
export const SO_REUSEADDR: number = bsd ? 0x4 : 2;
export const SO_TYPE: number = bsd ? 0x1008 : 3;
/** The pending error of a socket, which reading clears. */
export const SO_ERROR: number = bsd ? 0x1007 : 4;
export const SO_BROADCAST: number = bsd ? 0x20 : 6;
export const SO_SNDBUF: number = bsd ? 0x1001 : 7;
export const SO_RCVBUF: number = bsd ? 0x1002 : 8;
export const SO_KEEPALIVE: number = bsd ? 0x8 : 9;
export const SO_REUSEPORT: number = bsd ? 0x200 : 15;

export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const TCP_NODELAY = 1;
/** Hops a packet may take, 1..255. */
export const IP_TTL: number = bsd ? 4 : 2;
/** The same for multicast; 0 does not leave the machine, the default 1 not the network. */
export const IP_MULTICAST_TTL: number = bsd ? 10 : 33;
/** On, which is the default: what is sent to a group is also delivered to its members on this machine. */
export const IP_MULTICAST_LOOP: number = bsd ? 11 : 34;
/** Linux, on by default: a socket that is bound to all addresses also gets the groups which others here have joined. */
export const IP_MULTICAST_ALL = 49;
/** Linux, datagrams: a send that an ICMP error answered is told also when the socket is not connected. */
export const IP_RECVERR = 11;
export const IPV6_UNICAST_HOPS: number = bsd ? 4 : 16;
/** The number of the interface that multicast leaves by; 0 leaves the choice to the kernel. */
export const IPV6_MULTICAST_IF: number = bsd ? 9 : 17;
export const IPV6_MULTICAST_HOPS: number = bsd ? 10 : 18;
export const IPV6_MULTICAST_LOOP: number = bsd ? 11 : 19;
/** Linux: {@link IP_MULTICAST_ALL} for IPv6. */
export const IPV6_MULTICAST_ALL = 29;
/** Linux: {@link IP_RECVERR} for IPv6. */
export const IPV6_RECVERR = 25;
/** On: an IPv6 socket takes no IPv4 connections and no IPv4 datagrams. */
export const IPV6_V6ONLY: number = bsd ? 27 : 26;

/** `shutdown()`: receive no more. */
export const SHUT_RD = 0;
/** `shutdown()`: send no more; what is queued goes out first, then FIN. */
export const SHUT_WR = 1;
/** `shutdown()`: both. */
export const SHUT_RDWR = 2;

/** `send()` and `recv()`: urgent ("out of band") data of TCP. */
export const MSG_OOB = 1;

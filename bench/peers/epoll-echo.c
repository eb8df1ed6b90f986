/*
 * Echo on bare epoll(7), level-triggered, one thread: recv, send, and nothing else. The limit that the others are
 * compared with. What the kernel does not take is kept, and the connection is not read until it is gone.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HARD_LIFETIME_S 120
#define EVENTS 1024

struct connection {
    int fd;
    char *kept;
    size_t kept_bytes;
    size_t kept_from;
};

static char buffer[512 * 1024];
static int poller;

static void watch(int operation, int fd, void *data, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    if (epoll_ctl(poller, operation, fd, &event) < 0) {
        perror("epoll_ctl");
        exit(1);
    }
}

static void drop(struct connection *connection)
{
    close(connection->fd);
    free(connection->kept);
    free(connection);
}

static void accept_all(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *connection = calloc(1, sizeof *connection);
        connection->fd = fd;
        watch(EPOLL_CTL_ADD, fd, connection, EPOLLIN);
    }
}

/* What was not taken before; 0 when the connection is gone. */
static int flush(struct connection *connection)
{
    ssize_t taken = send(connection->fd, connection->kept + connection->kept_from, connection->kept_bytes, MSG_NOSIGNAL);
    if (taken < 0) return errno == EAGAIN;
    connection->kept_from += (size_t)taken;
    connection->kept_bytes -= (size_t)taken;
    if (connection->kept_bytes > 0) return 1;
    free(connection->kept);
    connection->kept = NULL;
    watch(EPOLL_CTL_MOD, connection->fd, connection, EPOLLIN);
    return 1;
}

static int echo(struct connection *connection)
{
    ssize_t got = recv(connection->fd, buffer, sizeof buffer, 0);
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return 0;
    ssize_t taken = send(connection->fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (taken == got) return 1;
    if (taken < 0 && errno != EAGAIN) return 0;
    if (taken < 0) taken = 0;
    connection->kept_from = 0;
    connection->kept_bytes = (size_t)(got - taken);
    connection->kept = malloc(connection->kept_bytes);
    memcpy(connection->kept, buffer + taken, connection->kept_bytes);
    watch(EPOLL_CTL_MOD, connection->fd, connection, EPOLLOUT);
    return 1;
}

int main(void)
{
    alarm(HARD_LIFETIME_S);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 512) < 0) {
        perror("listen");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&address, &size);
    poller = epoll_create1(EPOLL_CLOEXEC);
    static char standard_input;
    watch(EPOLL_CTL_ADD, listener, NULL, EPOLLIN);
    watch(EPOLL_CTL_ADD, STDIN_FILENO, &standard_input, EPOLLIN);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int index = 0; index < count; index++) {
            void *data = events[index].data.ptr;
            if (data == NULL) {
                accept_all(listener);
                continue;
            }
            if (data == &standard_input) {
                if (read(STDIN_FILENO, buffer, sizeof buffer) == 0) return 0;
                continue;
            }
            struct connection *connection = data;
            if (!(connection->kept == NULL ? echo(connection) : flush(connection))) drop(connection);
        }
    }
}

/*
 * Echo on libuv, the loop under Node: a read, uv_try_write, and a uv_write for what the kernel did not take; the
 * connection is not read until that is gone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#define HARD_LIFETIME_S 120

struct rest {
    uv_write_t request;
    char bytes[];
};

/* libuv hands it to the read that follows at once, and that read is over before the next. */
static char shared[512 * 1024];
static char pipe_bytes[256];

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer);

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    (void)suggested;
    *buffer = uv_buf_init(shared, sizeof shared);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void drop(uv_stream_t *stream)
{
    if (!uv_is_closing((uv_handle_t *)stream)) uv_close((uv_handle_t *)stream, on_closed);
}

static void on_written(uv_write_t *request, int status)
{
    uv_stream_t *stream = request->handle;
    free(request);
    if (status < 0) drop(stream);
    else uv_read_start(stream, on_room, on_read);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    if (got < 0) {
        drop(stream);
        return;
    }
    if (got == 0) return;
    uv_buf_t bytes = uv_buf_init(buffer->base, (unsigned)got);
    int taken = uv_try_write(stream, &bytes, 1);
    if (taken == got) return;
    if (taken < 0 && taken != UV_EAGAIN) {
        drop(stream);
        return;
    }
    if (taken < 0) taken = 0;
    size_t left = (size_t)(got - taken);
    struct rest *rest = malloc(sizeof *rest + left);
    memcpy(rest->bytes, buffer->base + taken, left);
    bytes = uv_buf_init(rest->bytes, (unsigned)left);
    uv_read_stop(stream);
    uv_write(&rest->request, stream, &bytes, 1, on_written);
}

static void on_connection(uv_stream_t *listener, int status)
{
    if (status < 0) return;
    uv_tcp_t *client = malloc(sizeof *client);
    uv_tcp_init(listener->loop, client);
    if (uv_accept(listener, (uv_stream_t *)client) < 0) {
        drop((uv_stream_t *)client);
        return;
    }
    uv_tcp_nodelay(client, 1);
    uv_read_start((uv_stream_t *)client, on_room, on_read);
}

static void on_pipe_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    (void)suggested;
    *buffer = uv_buf_init(pipe_bytes, sizeof pipe_bytes);
}

static void on_pipe(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    (void)stream;
    (void)buffer;
    if (got < 0) exit(0);
}

int main(void)
{
    alarm(HARD_LIFETIME_S);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    uv_pipe_t standard_input;
    struct sockaddr_in address;
    int size = sizeof address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(loop, &listener);
    uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0);
    if (uv_listen((uv_stream_t *)&listener, 512, on_connection) < 0) return 1;
    uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size);
    uv_pipe_init(loop, &standard_input, 0);
    uv_pipe_open(&standard_input, STDIN_FILENO);
    uv_read_start((uv_stream_t *)&standard_input, on_pipe_room, on_pipe);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}

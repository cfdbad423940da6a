/* What the kernel allows for streaming in: a plain HTTP body from its socket into a FIFO, blocking, one
 * stream, no recovery. Prints the bytes and the seconds from the reader's arrival to the last byte.
 *   splice_in FIFO PORT PATH PIPE_BYTES RCVBUF_BYTES      (RCVBUF_BYTES 0: as the kernel sizes it) */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static int fail(const char *what)
{
    perror(what);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 6) return 2;
    int pipe_bytes = atoi(argv[4]), receive_buffer = atoi(argv[5]);
    int fifo = open(argv[1], O_WRONLY);
    if (fifo < 0) return fail("open");
    double began = now();
    if (fcntl(fifo, F_SETPIPE_SZ, pipe_bytes) < 0) return fail("F_SETPIPE_SZ");
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    if (receive_buffer && setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer))
        return fail("SO_RCVBUF");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    if (connect(sock, (void *)&to, sizeof to)) return fail("connect");
    if (dprintf(sock, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", argv[3]) < 0)
        return fail("write");
    /* The head, and not a byte of the body. */
    char head[8192], *end = NULL;
    while (!end) {
        ssize_t got = recv(sock, head, sizeof head, MSG_PEEK);
        if (got <= 0) return fail("recv");
        end = memmem(head, got, "\r\n\r\n", 4);
    }
    if (read(sock, head, end + 4 - head) < 0) return fail("read");
    long total = 0;
    ssize_t moved;
    while ((moved = splice(sock, 0, fifo, 0, 1 << 20, SPLICE_F_MOVE | SPLICE_F_MORE)) > 0) total += moved;
    if (moved < 0) return fail("splice");
    printf("%ld %.3f\n", total, now() - began);
    return 0;
}

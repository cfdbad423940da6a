/* What the kernel allows for streaming out: a FIFO, its standard input, into the socket of a POST. It is told how
 * many bytes there will be, and sends them as one chunk; it ends when the server has answered. Its connection
 * is not paced: with BBR it needs twice the time.
 *   splice_out PORT BYTES <FIFO */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    long left = atol(argv[2]);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    if (fcntl(0, F_SETPIPE_SZ, 1 << 20) < 0)
        fail("F_SETPIPE_SZ");
    if (setsockopt(sock, IPPROTO_TCP, TCP_CONGESTION, "reno", 4))
        fail("TCP_CONGESTION");
    if (connect(sock, (void *)&to, sizeof to))
        fail("connect");
    dprintf(sock, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%lx\r\n", left);
    while (left > 0) {
        ssize_t moved = splice(0, 0, sock, 0, 1 << 20, SPLICE_F_MOVE | SPLICE_F_MORE);
        if (moved <= 0)
            fail("splice");
        left -= moved;
    }
    char answer[4096];
    if (dprintf(sock, "\r\n0\r\n\r\n") < 0 || read(sock, answer, sizeof answer) < 12)
        fail("answer");
    return memcmp(answer + 9, "200", 3) != 0;
}

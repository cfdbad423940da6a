/* What the reference programs for streaming in share: a plain HTTP GET whose head is taken, and not a byte of
 * the body. They are for a server that answers 200 with a Content-Length and closes the connection. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static inline _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* The socket, from which the body comes next. RECEIVE_BUFFER 0: as the kernel sizes it. */
static inline int get(const char *port, const char *path, int receive_buffer)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer && setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer))
        fail("SO_RCVBUF");
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    if (connect(sock, (void *)&to, sizeof to))
        fail("connect");
    if (dprintf(sock, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path) < 0)
        fail("write");
    char head[8192], *end = NULL;
    while (!end) {
        ssize_t got = recv(sock, head, sizeof head, MSG_PEEK);
        if (got <= 0)
            fail("recv");
        end = memmem(head, got, "\r\n\r\n", 4);
    }
    if (read(sock, head, end + 4 - head) < 0)
        fail("read");
    return sock;
}

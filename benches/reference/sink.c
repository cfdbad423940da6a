/* The server that streams out are sent to: takes one request with a chunked body, throws the body away without
 * copying it, and answers. It says first on which port of 127.0.0.1 it listens; in the end how many bytes of body
 * there were, and the seconds from the connection to the last of them.
 *   sink */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int sock;

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

/* One line, without its end; by one peek and one read if it is there as a whole. */
static void line(char *into, size_t size)
{
    size_t held = 0;
    for (;;) {
        ssize_t got = recv(sock, into + held, size - 1 - held, MSG_PEEK);
        if (got <= 0)
            fail("recv");
        char *end = memchr(into + held, '\n', got);
        size_t take = end ? (size_t)(end + 1 - into) - held : 1;
        if (recv(sock, into + held, take, 0) != (ssize_t)take)
            fail("recv");
        held += take;
        if (end) {
            into[held - 1 - (held > 1 && into[held - 2] == '\r')] = 0;
            return;
        }
    }
}

static void discard(long bytes)
{
    static char nothing[1 << 20];
    while (bytes > 0) {
        /* TCP does not copy what is only to be cut off. */
        ssize_t got = recv(sock, nothing, bytes < (long)sizeof nothing ? bytes : (long)sizeof nothing, MSG_TRUNC);
        if (got <= 0)
            fail("recv");
        bytes -= got;
    }
}

int main(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    if (bind(listener, (void *)&at, sizeof at) || listen(listener, 1) || getsockname(listener, (void *)&at, &size))
        fail("listen");
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    if ((sock = accept(listener, 0, 0)) < 0)
        fail("accept");
    double began = now();
    static char text[8192];
    do {
        line(text, sizeof text);
        if (!strcasecmp(text, "Expect: 100-continue"))
            dprintf(sock, "HTTP/1.1 100 Continue\r\n\r\n");
    } while (*text);
    long total = 0, chunk;
    do {
        line(text, sizeof text);
        total += chunk = strtol(text, NULL, 16);
        discard(chunk + 2);
    } while (chunk);
    double ended = now();
    dprintf(sock, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    printf("%ld %.6f\n", total, ended - began);
    return 0;
}

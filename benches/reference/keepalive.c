// keepalive PORT CONNECTIONS FOLDER <paths: what a good client needs for many small files. It asks 127.0.0.1 for each
// path, over so many connections that are kept, one request after the other on each. What a path that ends with
// /download gives is written to a file of FOLDER, named after the component before it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char **paths;
static long count;
static atomic_long next;
static int port, folder;

// Asks for one path; the body is in `buffer` then, its length is returned.
static size_t ask(int fd, const char *path, char *buffer, size_t room, char **body) {
    char request[1024];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    if (write(fd, request, length) != length) err(1, "write");
    size_t filled = 0, wanted = 0;
    *body = NULL;
    while (*body == NULL || filled < wanted) {
        ssize_t got = read(fd, buffer + filled, room - filled - 1);
        if (got <= 0) err(1, "read of %s", path);
        filled += got;
        buffer[filled] = 0;
        if (*body == NULL) {
            char *end = strstr(buffer, "\r\n\r\n");
            if (end == NULL) continue;
            char *field = strcasestr(buffer, "content-length:");
            if (strncmp(buffer, "HTTP/1.1 200", 12) != 0 || field == NULL) errx(1, "%s: %.40s", path, buffer);
            *body = end + 4;
            wanted = (*body - buffer) + strtoul(field + 15, NULL, 10);
            if (wanted >= room) errx(1, "%s is too long", path);
        }
    }
    return wanted - (*body - buffer);
}

static void *work(void *unused) {
    static const size_t room = 1 << 20;
    char *buffer = malloc(room), *body;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (buffer == NULL || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) err(1, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (long at; (at = next++) < count;) {
        size_t length = ask(fd, paths[at], buffer, room, &body);
        char *end = strstr(paths[at], "/download");
        if (end == NULL) continue;
        *end = 0;
        const char *name = strrchr(paths[at], '/') + 1;
        int file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (file < 0 || write(file, body, length) != (ssize_t)length) err(1, "%s", name);
        close(file);
    }
    close(fd);
    free(buffer);
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 4) errx(2, "keepalive PORT CONNECTIONS FOLDER <paths");
    port = atoi(argv[1]);
    int connections = atoi(argv[2]);
    folder = open(argv[3], O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) err(1, "%s", argv[3]);
    char *line = NULL;
    size_t size = 0;
    for (ssize_t length; (length = getline(&line, &size, stdin)) > 0;) {
        if (line[length - 1] == '\n') line[length - 1] = 0;
        paths = realloc(paths, (count + 1) * sizeof *paths);
        if (paths == NULL || (paths[count++] = strdup(line)) == NULL) err(1, "paths");
    }
    pthread_t threads[64];
    if (connections < 1 || connections > 64) errx(2, "1 to 64 connections");
    for (int nth = 0; nth < connections; nth++)
        if (pthread_create(&threads[nth], NULL, work, NULL)) errx(1, "pthread_create");
    for (int nth = 0; nth < connections; nth++) pthread_join(threads[nth], NULL);
    return 0;
}

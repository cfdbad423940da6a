/* The second reference for streaming in: non-blocking, both ends in an edge-triggered epoll, as an engine with
 * many streams must work.
 *   splice_in_epoll PORT PATH RCVBUF_BYTES RCVLOWAT_BYTES >FIFO      (0: leave as it is)
 * It may wait for RCVLOWAT to the end, because this server closes the connection; an engine may not. */
#include "get.h"
#include <sys/epoll.h>

static void watch(int epoll, int fd, unsigned events)
{
    struct epoll_event event = {.events = events | EPOLLET};
    if (fcntl(fd, F_SETFL, O_NONBLOCK) || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        fail("epoll_ctl");
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    int low_water = atoi(argv[4]), epoll = epoll_create1(EPOLL_CLOEXEC);
    if (fcntl(1, F_SETPIPE_SZ, 1 << 20) < 0)
        fail("F_SETPIPE_SZ");
    int sock = get(argv[1], argv[2], atoi(argv[3]));
    if (low_water && setsockopt(sock, SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof low_water))
        fail("SO_RCVLOWAT");
    watch(epoll, sock, EPOLLIN | EPOLLRDHUP);
    watch(epoll, 1, EPOLLOUT);
    for (;;) {
        ssize_t moved = splice(sock, 0, 1, 0, 1 << 20, SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE);
        struct epoll_event ready[2];
        if (moved == 0)
            return 0;
        if (moved < 0 && errno != EAGAIN)
            fail("splice");
        if (moved < 0 && epoll_wait(epoll, ready, 2, -1) < 0)
            fail("epoll_wait");
    }
}

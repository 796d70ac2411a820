#include "cli/interruption.hpp"

#include <pthread.h>
#include <unistd.h>

#include <system_error>

#include "cli/console.hpp"

namespace fard::cli {

Interruption::Interruption(std::function<void()> clean_up) {
    sigemptyset(&signals_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction action {};
        if (sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
        sigaddset(&signals_, number);
    }
    sigaddset(&signals_, SIGUSR1);  // from the destructor
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    try {
        waiter_ = wait_for_signal(std::move(clean_up));
    } catch (const std::system_error&) {  // no thread: then signals end the process as they do
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
}

std::thread Interruption::wait_for_signal(std::function<void()> clean_up) const {
    return std::thread([signals = signals_, clean_up = std::move(clean_up)] {
        int number = 0;
        while (sigwait(&signals, &number) != 0) {
        }
        if (number == SIGUSR1) return;
        clean_up();
        err("fard: interrupted\n");
        _exit(1);
    });
}

Interruption::~Interruption() {
    if (!waiter_.joinable()) return;
    pthread_kill(waiter_.native_handle(), SIGUSR1);
    waiter_.join();
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace fard::cli

#include "base/asio_loop.hpp"

#include <csignal>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <unordered_map>

namespace fard {

namespace asio = boost::asio;

// Deadlines live in one ordered map behind one asio timer, so that due timers run in the order of their deadlines and
// before descriptors that became readable while the process slept.
struct AsioLoop::Impl {
    asio::io_context io;
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    asio::steady_timer alarm{io};
    asio::signal_set signals{io};
    std::function<void(int)> signal_callback;

    std::map<std::pair<TimePoint, TimerId>, Callback> timers;
    std::unordered_map<TimerId, TimePoint> deadlines;
    TimerId last_timer = 0;

    struct WatchedFd {
        explicit WatchedFd(asio::io_context& context, int fd) : descriptor(context, fd) {}
        asio::posix::stream_descriptor descriptor;
        Callback callback;
        bool active = true;
    };
    std::unordered_map<WatchId, std::shared_ptr<WatchedFd>> watches;
    WatchId last_watch = 0;

    void run_due() {
        while (!timers.empty() && timers.begin()->first.first <= std::chrono::steady_clock::now()) {
            auto node = timers.extract(timers.begin());
            deadlines.erase(node.key().second);
            node.mapped()();
        }
        arm();
    }

    void arm() {
        if (timers.empty()) {
            alarm.cancel();
            return;
        }
        alarm.expires_at(timers.begin()->first.first);
        alarm.async_wait([this](const boost::system::error_code& error) {
            if (!error) run_due();
        });
    }

    void wait(std::shared_ptr<WatchedFd> watched) {
        auto& descriptor = watched->descriptor;
        descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                              [this, watched = std::move(watched)](const boost::system::error_code& error) {
                                  if (error || !watched->active) return;
                                  run_due();
                                  if (!watched->active) return;
                                  watched->callback();
                                  if (watched->active) wait(watched);
                              });
    }

    void wait_signal() {
        signals.async_wait([this](const boost::system::error_code& error, int number) {
            if (error) return;
            if (signal_callback) signal_callback(number);
            wait_signal();
        });
    }
};

AsioLoop::AsioLoop() : impl_(std::make_unique<Impl>()) {}

AsioLoop::~AsioLoop() {
    for (auto& [id, watched] : impl_->watches) watched->descriptor.release();
}

void AsioLoop::run() {
    impl_->io.run();
    impl_->io.restart();  // so that it can be run again
}
void AsioLoop::stop() { impl_->io.stop(); }

void AsioLoop::on_signals(std::function<void(int)> callback) {
    const bool first = !impl_->signal_callback;
    impl_->signal_callback = std::move(callback);
    if (!first) return;
    sigset_t ours;
    sigemptyset(&ours);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction before {};
        if (number == SIGHUP && sigaction(number, nullptr, &before) == 0 && before.sa_handler == SIG_IGN)
            continue;  // nohup: it is to live on when the terminal goes
        impl_->signals.add(number);
        sigaddset(&ours, number);
    }
    pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);  // a parent may have blocked them
    impl_->wait_signal();
}

TimePoint AsioLoop::now() const { return std::chrono::steady_clock::now(); }

Loop::TimerId AsioLoop::call_at(TimePoint when, Callback callback) {
    const TimerId id = ++impl_->last_timer;
    const auto [place, inserted] = impl_->timers.emplace(std::pair{when, id}, std::move(callback));
    impl_->deadlines.emplace(id, when);
    if (place == impl_->timers.begin()) impl_->arm();
    return id;
}

void AsioLoop::cancel(TimerId timer) {
    const auto found = impl_->deadlines.find(timer);
    if (found == impl_->deadlines.end()) return;
    impl_->timers.erase({found->second, timer});
    impl_->deadlines.erase(found);
}

Loop::WatchId AsioLoop::watch_readable(int fd, Callback callback) {
    const WatchId id = ++impl_->last_watch;
    auto watched = std::make_shared<Impl::WatchedFd>(impl_->io, fd);
    watched->callback = std::move(callback);
    impl_->watches.emplace(id, watched);
    impl_->wait(std::move(watched));
    return id;
}

void AsioLoop::unwatch(WatchId watch) {
    const auto found = impl_->watches.find(watch);
    if (found == impl_->watches.end()) return;
    found->second->active = false;
    found->second->descriptor.release();  // cancels the wait; the descriptor stays its owner's
    impl_->watches.erase(found);
}

void AsioLoop::post(Callback callback) { asio::post(impl_->io, std::move(callback)); }

}  // namespace fard

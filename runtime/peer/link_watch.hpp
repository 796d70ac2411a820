// Whether the connections of a link are still those on which it was opened; included by link*.cpp alone.
//
// libzmq connects again by itself, and drops what was under way on the connection that broke. So a link whose
// connection went after LINK_OPEN has lost chunks, or may have: it is lost, however well a new connection works.
#pragma once

#include <array>
#include <memory>

#include "runtime/peer/monitor.hpp"

namespace fard::links {

class SocketWatch {
  public:
    SocketWatch(ConnectionLog log, bool bound) : log_(std::move(log)), bound_(bound) {}

    void look() {
        while (const auto event = log_.next()) {
            if (*event == (bound_ ? ConnectionEvent::accepted : ConnectionEvent::connected)) {
                ++connections_;
            } else if (*event == ConnectionEvent::disconnected && connections_ > 0) {
                // On a bound socket a stranger's may come and go beside the link's: the last one that goes counts.
                broke_ = true;
                if (--connections_ == 0) lost_ = lost_ || opened_;
            }
        }
    }

    bool up() const { return connections_ > 0; }
    // It has been up, and is not (as far as look() knows).
    bool broken() const { return broke_ && connections_ == 0; }
    void open() { opened_ = true; }
    void lose() { lost_ = true; }
    bool lost() const { return lost_; }
    int fd() const { return log_.fd(); }

  private:
    ConnectionLog log_;
    bool bound_;
    int connections_ = 0;
    bool broke_ = false, opened_ = false, lost_ = false;
};

// The two sockets of one end. Declared behind them, so that it goes first.
class LinkWatch {
  public:
    static Result<LinkWatch> on(SocketFactory& sockets, Socket& data, Socket& credit, bool bound) {
        auto data_log = ConnectionLog::open(sockets, data);
        if (!data_log) return fail(data_log.error());
        auto credit_log = ConnectionLog::open(sockets, credit);
        if (!credit_log) return fail(credit_log.error());
        return LinkWatch(SocketWatch(std::move(*data_log), bound), SocketWatch(std::move(*credit_log), bound));
    }

    // LINK_OPEN has come by the data socket: a connection that is not there any more is one that it came by.
    void opened_by_peer() {
        look();
        if (!data_.up()) data_.lose();
        open();
    }

    // Whether a LINK_OPEN would go out on a connection that is known to have broken.
    bool stale() {
        look();
        return data_.broken();
    }

    void open() {
        data_.open();
        credit_.open();
    }

    bool lost() {
        look();
        return data_.lost() || credit_.lost();
    }

    // Calls `on_event` on the loop when something happened to either.
    std::shared_ptr<void> watch(Loop& loop, std::function<void()> on_event) {
        struct Guard {
            Loop& loop;
            std::array<Loop::WatchId, 2> ids;
            ~Guard() {
                for (const auto id : ids)
                    loop.unwatch(id);
            }
        };
        const auto told = [this, on_event = std::move(on_event)] {
            look();  // or the descriptor stays readable
            on_event();
        };
        return std::shared_ptr<Guard>(
            new Guard{loop, {loop.watch_readable(data_.fd(), told), loop.watch_readable(credit_.fd(), told)}});
    }

  private:
    LinkWatch(SocketWatch data, SocketWatch credit) : data_(std::move(data)), credit_(std::move(credit)) {}
    void look() {
        data_.look();
        credit_.look();
    }

    SocketWatch data_, credit_;
};

}  // namespace fard::links

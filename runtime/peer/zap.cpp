#include "runtime/peer/zap.hpp"

#include <zmq.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "runtime/peer/key_ring.hpp"
#include "runtime/peer/keys.hpp"

namespace fard {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto patience = std::chrono::seconds(10);       // with who knocks before it is decided who may
constexpr auto look_interval = std::chrono::milliseconds(20);  // while somebody waits
constexpr auto report_interval = std::chrono::seconds(1);

enum class Verdict { yes, no, wait };

std::vector<std::string> receive(void* socket) {
    std::vector<std::string> frames;
    for (bool more = true; more;) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame);
            return {};
        }
        frames.emplace_back(static_cast<const char*>(zmq_msg_data(&frame)), zmq_msg_size(&frame));
        more = zmq_msg_more(&frame) != 0;
        zmq_msg_close(&frame);
    }
    return frames;
}

void send(void* socket, const std::vector<std::string>& frames) {
    for (std::size_t i = 0; i < frames.size(); ++i)
        zmq_send(socket, frames[i].data(), frames[i].size(), ZMQ_DONTWAIT | (i + 1 < frames.size() ? ZMQ_SNDMORE : 0));
}

}  // namespace

struct ZapHandler::Impl {
    // One handshake that waits for us.
    struct Question {
        std::string route, request, domain, address;
        PublicKey key;
        Clock::time_point until;
    };

    Verdict judge(const Question& question) {
        const std::lock_guard lock(mutex);
        const auto found = admissions.find(question.domain);
        if (found == admissions.end() || question.key.empty()) return Verdict::no;
        const auto& admission = found->second;
        if (std::ranges::find(admission.keys, question.key) != admission.keys.end())
            return ring && ring->is_revoked(question.key) ? Verdict::no : Verdict::yes;
        if (admission.undecided) return Verdict::wait;
        if (!ring || admission.roles == 0) return Verdict::no;
        const auto role = ring->role_of(question.key);
        if (role == Role::none || (admission.roles & (1u << static_cast<unsigned>(role))) == 0) return Verdict::no;
        return ring->is_open() ? Verdict::yes : Verdict::wait;
    }

    // 300 leaves the other side without a word: it may come back, and learns nothing.
    void answer(const Question& question, bool yes) {
        const bool revoked = !yes && ring && ring->is_revoked(question.key);
        const auto status = yes ? "200" : revoked ? std::to_string(revoked_status) : "300";
        send(router, {question.route, "", "1.0", question.request, status, "", yes ? question.key.hex : "", ""});
        if (yes || !report || Clock::now() < next_report) return;
        next_report = Clock::now() + report_interval;
        report(fmt::format("refused a connection from {} with {}{}", question.address,
                           question.key.empty() ? "no key" : revoked ? "the revoked key " : "the unknown key ", question.key.brief()));
    }

    void take(std::vector<std::string> frames) {
        // routing id, empty, version, request, domain, address, routing id of the other, mechanism, credentials
        if (frames.size() < 8 || frames[2] != "1.0") return;
        Question question{frames[0], frames[3], frames[4], frames[5], {}, Clock::now() + patience};
        if (frames[7] == "CURVE" && frames.size() == 9) question.key = public_key_of(frames[8]);
        consider(std::move(question));
    }

    void consider(Question question) {
        const auto verdict = judge(question);
        if (verdict == Verdict::wait && Clock::now() < question.until) return waiting.push_back(std::move(question));
        answer(question, verdict == Verdict::yes);
    }

    void run() {
        while (!stopped) {
            zmq_pollitem_t items[] = {{router, 0, ZMQ_POLLIN, 0}};
            zmq_poll(items, 1, waiting.empty() ? -1 : static_cast<long>(look_interval.count()));  // ends with the context, too
            for (auto frames = receive(router); !frames.empty(); frames = receive(router))
                take(std::move(frames));
            auto again = std::move(waiting);
            waiting.clear();
            for (auto& question : again)
                consider(std::move(question));
        }
    }

    std::shared_ptr<KeyRing> ring;
    Report report;
    void* context = nullptr;
    void* router = nullptr;
    std::list<Question> waiting;
    Clock::time_point next_report{};
    std::atomic<bool> stopped = false;
    std::mutex mutex;  // of what follows
    std::map<std::string, Admission> admissions;
    std::uint64_t last = 0;
    std::thread thread;
};

ZapHandler::ZapHandler(void* context, std::shared_ptr<KeyRing> ring, Report report) : impl_(std::make_unique<Impl>()) {
    impl_->ring = std::move(ring);
    impl_->report = std::move(report);
    impl_->context = context;
    impl_->router = zmq_socket(context, ZMQ_ROUTER);
    const int linger = 0;
    zmq_setsockopt(impl_->router, ZMQ_LINGER, &linger, sizeof linger);
    zmq_bind(impl_->router, "inproc://zeromq.zap.01");
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    impl_->thread = std::thread([raw = impl_.get()] { raw->run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

ZapHandler::~ZapHandler() {
    impl_->stopped = true;
    zmq_ctx_shutdown(impl_->context);  // wakes the thread; nobody else uses the context any more
    impl_->thread.join();
    zmq_close(impl_->router);
}

std::string ZapHandler::add(Admission admission) {
    const std::lock_guard lock(impl_->mutex);
    auto domain = fmt::format("socket-{}", ++impl_->last);
    impl_->admissions[domain] = std::move(admission);
    return domain;
}

void ZapHandler::set(const std::string& domain, Admission admission) {
    const std::lock_guard lock(impl_->mutex);
    impl_->admissions[domain] = std::move(admission);
}

void ZapHandler::remove(const std::string& domain) {
    const std::lock_guard lock(impl_->mutex);
    impl_->admissions.erase(domain);
}

}  // namespace fard

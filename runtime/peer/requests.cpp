#include "runtime/peer/requests.hpp"

#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "runtime/peer/codec.hpp"
#include "runtime/peer/messages_board.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard {
namespace {

using namespace std::chrono_literals;

constexpr Duration first_repeat = 50ms;
constexpr Duration longest_interval = 500ms;
constexpr std::uint64_t slowest_way = 256 << 10;  // bytes/s: a message may take as long as that before it is repeated
constexpr std::size_t small_question = 16 << 10;  // bytes: it may be repeated without a thought
constexpr Duration longest_slack = 20s;
constexpr Duration memory_time = 60s;
constexpr std::size_t memory_answers = 4096;
constexpr std::size_t memory_bytes = 16u << 20;
constexpr std::size_t most_in_progress = 65'536;
constexpr std::uint64_t furthest_lamport = 1ull << 40;  // ahead of ours; no honest clock is

// Request numbers are unique in the process, because several Requests of one process share its PeerId, and
// start anywhere, so that a peer which kept its id over a restart is not given the answers of its former
// life.
std::uint64_t next_request() {
    static std::atomic<std::uint64_t> last = std::stoull(random_hex(6), nullptr, 16) << 8;
    return ++last;
}

struct RequestKey {
    PeerId from;
    std::uint64_t request = 0;
    friend bool operator==(const RequestKey&, const RequestKey&) = default;
};
struct RequestKeyHash {
    std::size_t operator()(const RequestKey& key) const {
        return std::hash<PeerId>{}(key.from) ^ (key.request * 0x9e3779b97f4a7c15ull);
    }
};

// STATUS, PIECE, NEWS, LOG_LINES and FILLED, the largest answers, only tell what is there: who repeats the question is told anew.
bool worth_remembering(const wire::Body& answer) {
    return !answer.is<wire::Status>() && !answer.is<wire::Piece>() && !answer.is<wire::News>() &&
           !answer.is<wire::LogLines>() && !answer.is<wire::Filled>();
}

// What a question puts on the way to the peer and back, roughly.
std::size_t bytes_of(const wire::Body& question) {
    const auto bytes = wire::footprint(question) + (question.is<wire::Fetch>() ? wire::piece_bytes : 0);
    return bytes < small_question ? 0 : bytes;
}

std::string seconds(Duration duration) {
    return fmt::format("{:.2f} s", std::chrono::duration<double>(duration).count());
}

}  // namespace

struct Requests::Impl : std::enable_shared_from_this<Requests::Impl> {
    Impl(Loop& the_loop, PeerId the_self, Send the_send)
        : loop(the_loop), self(std::move(the_self)), send(std::move(the_send)) {}

    // ---- asking
    struct Question {
        PeerId to;
        std::shared_ptr<const wire::Body> body;
        Answer answer;
        TimePoint asked;
        TimePoint deadline;
        std::size_t bytes = 0;
        Duration slack = Duration(0);  // for what was on the way when it was asked, itself included
        Duration interval = first_repeat;
        unsigned times = 0;
        Loop::TimerId timer = 0;
    };

    void post(std::uint64_t request, Question& question) {
        ++question.times;
        const auto now = loop.now();
        const auto next = std::min(now + question.interval + question.slack, question.deadline);
        question.interval = std::min(question.interval * 2, longest_interval);
        question.slack = std::min(question.slack * 2, longest_slack);
        question.timer = loop.call_at(next, [this, request] { on_timer(request); });
        // Last, and of copies: the network may answer at once, and that ends the question.
        const auto to = question.to;
        const auto body = question.body;
        send(to, wire::Envelope{self, request, false, ++clock}, *body);
    }

    // Large questions take their time one after the other.
    Duration slack_for(const PeerId& to, std::size_t bytes) const {
        if (bytes == 0) return Duration(0);
        for (const auto& [number, question] : questions)
            if (question.to == to) bytes += question.bytes;
        return std::min(longest_slack, Duration(std::chrono::nanoseconds(1s) * bytes / slowest_way));
    }

    // What was on the way may be lost: everything is asked again at once.
    void repeat_all() {
        std::vector<std::uint64_t> pending;
        for (const auto& [request, question] : questions)
            pending.push_back(request);
        for (const auto request : pending) {
            const auto found = questions.find(request);
            if (found == questions.end()) continue;
            loop.cancel(found->second.timer);
            found->second.interval = first_repeat;
            post(request, found->second);
        }
    }

    void on_timer(std::uint64_t request) {
        const auto found = questions.find(request);
        if (found == questions.end()) return;
        if (loop.now() < found->second.deadline) return post(request, found->second);
        const auto& question = found->second;
        end(found,
            fail(Fault::timed_out, "{} did not answer {} within {} (asked {} times)", called(question.to),
                 wire::name_of(*question.body), seconds(loop.now() - question.asked), question.times));
    }

    void end(std::map<std::uint64_t, Question>::iterator place, Result<wire::Body> result) {
        loop.cancel(place->second.timer);
        const auto answer = std::move(place->second.answer);
        questions.erase(place);
        answer(std::move(result));
    }

    void take_answer(const wire::Envelope& envelope, const wire::Body& body) {
        if (envelope.from == self) memory.erase({self, envelope.request});
        const auto found = questions.find(envelope.request);
        if (found == questions.end() || !(found->second.to.empty() || found->second.to == envelope.from)) {
            ++counters.late;
            return;
        }
        if (const auto* no = body.as<wire::Refused>()) return end(found, fail(to_error(*no)));
        end(found, body);
    }

    // ---- answering
    struct Memory {
        std::string answer;  // encoded, with an empty envelope; empty: in progress, or dropped by the handler
    };
    struct Remembered {
        RequestKey key;
        TimePoint until;
    };

    void take_request(const wire::Envelope& envelope, const wire::Body& body) {
        expire();
        const RequestKey key{envelope.from, envelope.request};
        if (envelope.from == self && !questions.contains(envelope.request)) {
            ++counters.repeated;  // it has its answer
            return;
        }
        if (const auto found = memory.find(key); found != memory.end()) {
            ++counters.repeated;
            if (const auto answer = wire::decode(found->second.answer)) send_answer(key, answer->body);
            return;
        }
        if (!handler || memory.size() - remembered.size() >= most_in_progress) {
            ++counters.dropped;
            return;
        }
        memory.emplace(key, Memory{});
        const auto current = handler;  // serve() may replace it meanwhile
        (*current)(envelope.from, body, make_reply(key));
    }

    // Every copy of a Reply shares one token. The last one to go without an answer leaves the request
    // remembered as handled, so that a repeat does not reach the handler either.
    struct Token {
        std::weak_ptr<Impl> owner;
        RequestKey key;
        bool used = false;
        Token(std::weak_ptr<Impl> the_owner, RequestKey the_key)
            : owner(std::move(the_owner)), key(std::move(the_key)) {}
        Token(const Token&) = delete;
        ~Token() {
            if (const auto impl = owner.lock(); impl && !used) impl->remember(key, {});
        }
    };

    Reply make_reply(const RequestKey& key) {
        return [token = std::make_shared<Token>(weak_from_this(), key)](wire::Body answer) {
            const auto impl = token->owner.lock();
            if (!impl || std::exchange(token->used, true)) return;
            if (const auto fits = wire::check_size(answer); !fits) answer = refused(fits.error());
            impl->send_answer(token->key, answer);
            if (token->key.from == impl->self) return;  // nothing is lost on the way: remembered until it arrives
            if (worth_remembering(answer))
                impl->remember(token->key, wire::encode({}, answer));
            else
                impl->memory.erase(token->key);
        };
    }

    void send_answer(const RequestKey& key, const wire::Body& answer) {
        send(key.from, wire::Envelope{self, key.request, true, ++clock}, answer);
    }

    void remember(const RequestKey& key, std::string answer) {
        const auto found = memory.find(key);
        if (found == memory.end()) return;
        answer.shrink_to_fit();
        held_bytes += answer.size();
        found->second.answer = std::move(answer);
        remembered.push_back({key, loop.now() + memory_time});
        // The newest answer always stays: it is the one most likely to be asked for again.
        while (remembered.size() > 1 && (remembered.size() > memory_answers || held_bytes > memory_bytes))
            drop_oldest();
    }

    void expire() {
        const auto now = loop.now();
        while (!remembered.empty() && remembered.front().until <= now)
            drop_oldest();
    }

    void drop_oldest() {
        const auto found = memory.find(remembered.front().key);
        held_bytes -= found->second.answer.size();
        memory.erase(found);
        remembered.pop_front();
    }

    std::string called(const PeerId& peer) const {
        if (peer.empty()) return name ? name(peer) : "the node manager";
        return name ? name(peer) : "peer " + peer.hex.substr(0, 8);
    }

    void witness(std::uint64_t time) {
        if (time > clock && time - clock < furthest_lamport) clock = time;
    }

    Loop& loop;
    PeerId self;
    Send send;
    std::shared_ptr<const RequestHandler> handler;
    std::function<std::string(const PeerId&)> name;
    std::map<std::uint64_t, Question> questions;  // in the order of asking
    std::unordered_map<RequestKey, Memory, RequestKeyHash> memory;
    std::deque<Remembered> remembered;  // oldest first
    std::size_t held_bytes = 0;
    std::uint64_t clock = 0;
    std::optional<Error> barred;
    Counters counters;
};

Requests::Requests(Loop& loop, PeerId self, Send send)
    : impl_(std::make_shared<Impl>(loop, std::move(self), std::move(send))) {}

Requests::~Requests() {
    for (auto& [request, question] : impl_->questions)
        impl_->loop.cancel(question.timer);
    impl_->questions.clear();  // whoever is ending them all calls no more of them
}

void Requests::ask(const PeerId& to, wire::Body body, Duration deadline, Answer answer) {
    const auto now = impl_->loop.now();
    auto possible = impl_->barred ? Result<>(fail(*impl_->barred)) : wire::check_size(body);
    if (!possible) {
        impl_->loop.call_at(now,
                            [keep = std::weak_ptr(impl_), answer = std::move(answer), why = std::move(possible)] {
                                if (keep.lock()) answer(fail(why.error()));
                            });
        return;
    }
    const auto request = next_request();
    const auto bytes = bytes_of(body);
    const auto slack = impl_->slack_for(to, bytes);
    auto& question =
        impl_->questions
            .emplace(request, Impl::Question{to, std::make_shared<const wire::Body>(std::move(body)),
                                             std::move(answer), now, now + deadline, bytes, slack})
            .first->second;
    impl_->post(request, question);
}

void Requests::serve(RequestHandler handler) {
    impl_->handler = handler ? std::make_shared<const RequestHandler>(std::move(handler)) : nullptr;
}

void Requests::name_peers(std::function<std::string(const PeerId&)> name) {
    impl_->name = std::move(name);
}

void Requests::tell(const PeerId& to, const wire::Body& body) {
    impl_->send(to, wire::Envelope{impl_->self, 0, false, ++impl_->clock}, body);
}

void Requests::receive(const wire::Envelope& envelope, const wire::Body& body) {
    const auto keep = impl_;  // a callback may destroy this object
    keep->witness(envelope.lamport);
    if (envelope.answer) return keep->take_answer(envelope, body);
    if (envelope.request != 0) return keep->take_request(envelope, body);
    if (const auto handler = keep->handler) (*handler)(envelope.from, body, {});
}

void Requests::reconnected() {
    const auto keep = impl_;
    keep->repeat_all();
}

void Requests::receive_unknown(const wire::Envelope& envelope, const Error& why) {
    const auto keep = impl_;  // a callback may destroy this object
    if (envelope.request == 0) return;
    if (!envelope.answer) return keep->send_answer({envelope.from, envelope.request}, refused(why));
    const auto found = keep->questions.find(envelope.request);
    if (found == keep->questions.end()) return;
    const auto& question = found->second;
    if (!question.to.empty() && question.to != envelope.from) return;
    keep->end(found, fail(Fault::unsupported, "{} answered {} with a {}: it is of a newer fard", keep->called(question.to),
                          wire::name_of(*question.body), why.message));
}

void Requests::bar(Error why) {
    const auto keep = impl_;  // a callback may destroy this object
    keep->barred = why;
    while (!keep->questions.empty())
        keep->end(keep->questions.begin(), fail(why));
}

void Requests::forget(const PeerId& peer, const std::string& why) {
    const auto keep = impl_;
    std::vector<std::uint64_t> gone;
    for (const auto& [request, question] : keep->questions) {
        if (question.to == peer) gone.push_back(request);
    }
    for (const auto request : gone) {
        const auto found = keep->questions.find(request);
        if (found == keep->questions.end()) continue;  // an answer's callback ended it
        const auto& question = found->second;
        keep->end(found, fail(Fault::unreachable, "{} is gone ({}): no answer to {} (asked {} times in {})",
                              keep->called(peer), why, wire::name_of(*question.body), question.times,
                              seconds(keep->loop.now() - question.asked)));
    }
}

std::uint64_t Requests::lamport() const {
    return impl_->clock;
}
std::uint64_t Requests::next_lamport() {
    return ++impl_->clock;
}
void Requests::witness(std::uint64_t lamport) {
    impl_->witness(lamport);
}
Requests::Counters Requests::counters() const {
    return impl_->counters;
}

}  // namespace fard

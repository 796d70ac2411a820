#include <algorithm>
#include <cassert>
#include <deque>
#include <utility>

#include "runtime/peer/link.hpp"
#include "runtime/peer/link_frames.hpp"
#include "runtime/peer/link_watch.hpp"

namespace fard {

namespace {
constexpr Duration no_place_pause = std::chrono::milliseconds(1);  // before what is paid for is tried again
}

struct LinkSender::Impl {
    Impl(LinkTerms agreed, std::string name, HeaderForm headers, Socket data_socket, Socket credit_socket,
         links::LinkWatch connections, Pacer* charged_by)
        : terms(std::move(agreed)),
          from(std::move(name)),
          form(std::move(headers)),
          chunk_bytes(terms.chunk_bytes()),
          compact(terms.compact_bytes()),
          limit(terms.lead()),
          data(std::move(data_socket)),
          credit(std::move(credit_socket)),
          watch(std::move(connections)),
          pacer(charged_by) {}

    bool push(Chunk& chunk);
    bool push_compact(Chunk& chunk);
    bool is_free() const { return pacer == nullptr || (pacer->place() != 0 && pacer->place() == endpoint.place); }
    void flush_paced();
    void take_credit(std::string_view bytes);
    void poll_credit();

    LinkTerms terms;
    std::string from;
    HeaderForm form;
    std::uint64_t chunk_bytes;  // of one, with its header
    std::uint64_t compact;      // bytes of a chunk of one frame, 0 where they are of several
    std::uint64_t limit;
    Socket data;
    Socket credit;
    links::LinkWatch watch;
    wire::LinkEndpoint endpoint;
    bool opened = false;
    bool used_up = false;  // why send said false last: the window, not the connection
    std::uint64_t sent = 0;
    std::uint64_t confirmed = 0;
    Message credits;  // memory for poll_credit
    Pacer* pacer;
    struct Paced {
        Chunk chunk;
        TimePoint leaves;
    };
    std::deque<Paced> waiting;  // sent, but not yet paid for; the window bounds them
};

LinkSender::LinkSender(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LinkSender::LinkSender(LinkSender&&) noexcept = default;
LinkSender& LinkSender::operator=(LinkSender&&) noexcept = default;
LinkSender::~LinkSender() = default;

struct LinkSender::Making {
    HeaderForm form;
    Socket data, credit;
    links::LinkWatch watch;
};

Result<LinkSender::Making> LinkSender::make(SocketFactory& sockets, const LinkTerms& terms, bool bound) {
    auto form = HeaderForm::of(terms.run, terms.epoch, terms.tensors, terms.positions);
    if (!form) return fail(form.error());
    auto data = sockets.make(SocketKind::push, links::data_options(terms, terms.window()));
    if (!data) return fail(data.error());
    auto credit = sockets.make(SocketKind::pull, links::credit_options());
    if (!credit) return fail(credit.error());
    auto watch = links::LinkWatch::on(sockets, *data, *credit, bound);
    if (!watch) return fail(watch.error());
    return Making{std::move(*form), std::move(*data), std::move(*credit), std::move(*watch)};
}

Result<LinkSender> LinkSender::connect(SocketFactory& sockets, const wire::LinkEndpoint& endpoint,
                                       LinkTerms terms, std::string from, Pacer* pacer) {
    auto made = make(sockets, terms, false);
    if (!made) return fail(made.error());
    if (auto connected = links::connect_pair(endpoint, made->data, made->credit); !connected) return fail(connected.error());
    auto impl = std::make_unique<Impl>(std::move(terms), std::move(from), std::move(made->form),
                                       std::move(made->data), std::move(made->credit), std::move(made->watch), pacer);
    impl->endpoint = endpoint;
    return LinkSender(std::move(impl));
}

Result<LinkSender> LinkSender::bind(SocketFactory& sockets, const std::string& place, LinkTerms terms,
                                    std::string from) {
    auto made = make(sockets, terms, true);
    if (!made) return fail(made.error());
    auto endpoint = links::bind_pair(sockets, place, made->data, made->credit);
    if (!endpoint) return fail(endpoint.error());
    auto impl = std::make_unique<Impl>(std::move(terms), std::move(from), std::move(made->form),
                                       std::move(made->data), std::move(made->credit), std::move(made->watch), nullptr);
    impl->endpoint = std::move(*endpoint);
    return LinkSender(std::move(impl));
}

void LinkSender::admit(const PublicKey& receiver) {
    impl_->data.admit({receiver});
    impl_->credit.admit({receiver});
}

const wire::LinkEndpoint& LinkSender::endpoint() const {
    return impl_->endpoint;
}

bool LinkSender::open() {
    if (impl_->opened) return true;
    if (!impl_->data.writable() || impl_->watch.stale()) return false;
    Message message;
    const auto& terms = impl_->terms;
    message.emplace_back(
        wire::encode({}, wire::LinkOpen{terms.run, terms.epoch, impl_->from, terms.tensors, terms.overlay,
                                        impl_->pacer ? impl_->pacer->place() : 0}));
    impl_->opened = impl_->data.try_send(message);
    if (impl_->opened) impl_->watch.open();
    return impl_->opened;
}

bool LinkSender::lost() {
    return impl_->watch.lost();
}

// ---- chunks

// Into the frame that it came in, if it came so.
bool LinkSender::Impl::push_compact(Chunk& chunk) {
    auto& frame = *chunk.header;
    const bool fits = frame.size() == compact && form.patch(frame.writable().first(form.bytes()), chunk.index, chunk.trace);
    if (!fits) {
        frame = Frame(compact);
        form.put(frame.writable().first(form.bytes()), chunk.index, chunk.trace);
    }
    auto* at = frame.writable().data() + form.bytes();
    for (const auto& tensor : chunk.tensors)
        at = std::ranges::copy(tensor.bytes(), at).out;
    if (!data.try_send_frame(frame, Socket::Part::last)) return false;
    chunk.tensors.clear();
    return true;
}

bool LinkSender::Impl::push(Chunk& chunk) {
    if (!chunk.header) chunk.header = std::make_unique<Frame>();
    if (compact != 0) return push_compact(chunk);
    if (!form.patch(chunk.header->writable(), chunk.index, chunk.trace))
        *chunk.header = form.make(chunk.index, chunk.trace);
    if (!data.try_send_frame(*chunk.header, Socket::Part::more)) return false;
    const std::size_t last = chunk.tensors.size() - 1;
    for (std::size_t i = 0; i <= last; ++i)
        data.try_send_frame(chunk.tensors[i], i < last ? Socket::Part::more : Socket::Part::last);
    return true;
}

bool LinkSender::send(Chunk& chunk) {
    assert(chunk.tensors.size() == impl_->terms.tensors.size());
    if (!impl_->opened) return false;
    if (!has_room()) impl_->poll_credit();
    impl_->used_up = !has_room();
    if (impl_->used_up) return false;
    if (!impl_->is_free()) {
        const auto leaves = impl_->pacer->charge_send(impl_->chunk_bytes, chunk.since);
        impl_->waiting.push_back({std::exchange(chunk, {}), leaves});
        ++impl_->sent;
        impl_->flush_paced();
        return true;
    }
    const auto since = chunk.since;
    const bool sent = impl_->push(chunk);
    impl_->data.recheck();
    if (!sent) return false;
    if (impl_->pacer && since != TimePoint{}) impl_->pacer->left(std::chrono::steady_clock::now() - since);
    ++impl_->sent;
    return true;
}

void LinkSender::Impl::flush_paced() {
    const auto now = std::chrono::steady_clock::now();
    while (!waiting.empty() && waiting.front().leaves <= now) {
        if (!push(waiting.front().chunk)) {
            waiting.front().leaves = now + no_place_pause;
            break;
        }
        pacer->left(now - waiting.front().leaves);
        waiting.pop_front();
    }
    data.recheck();
}

void LinkSender::flush_paced() {
    if (!impl_->waiting.empty()) impl_->flush_paced();
}

// ---- credit

void LinkSender::Impl::take_credit(std::string_view bytes) {
    const auto decoded = wire::decode(bytes);
    const auto* told = decoded ? decoded->body.as<wire::Credit>() : nullptr;
    if (told == nullptr || told->run != terms.run || told->epoch != terms.epoch) return;
    if (told->taken > confirmed && told->taken <= sent) confirmed = told->taken;
    limit = std::max(limit, told->limit);
}

void LinkSender::Impl::poll_credit() {
    while (credit.try_receive(credits))
        if (credits.size() == 1) take_credit(credits[0].text());
}

void LinkSender::poll_credit() {
    impl_->poll_credit();
}

// ---- the rest

std::uint64_t LinkSender::sent() const {
    return impl_->sent;
}
std::uint64_t LinkSender::confirmed() const {
    return impl_->confirmed;
}
std::uint64_t LinkSender::limit() const {
    return impl_->limit;
}
const LinkTerms& LinkSender::terms() const {
    return impl_->terms;
}
std::size_t LinkSender::paced() const {
    return impl_->waiting.size();
}

TimePoint LinkSender::paced_until() const {
    return impl_->waiting.empty() ? TimePoint{} : impl_->waiting.front().leaves;
}
int LinkSender::blocked_fd() const {
    return impl_->used_up ? credit_fd() : fd();
}
int LinkSender::fd() const {
    return impl_->data.fd();
}
int LinkSender::credit_fd() const {
    return impl_->credit.fd();
}
void* LinkSender::native() const {
    return impl_->data.native();
}
void* LinkSender::native_credit() const {
    return impl_->credit.native();
}

std::unique_ptr<Socket::Watch> LinkSender::watch_credit(Loop& loop, std::function<void()> on_ready) {
    auto watch = impl_->credit.watch(loop, on_ready);
    watch->join(impl_->data.watch(loop, on_ready));
    watch->join(impl_->watch.watch(loop, std::move(on_ready)));
    return watch;
}

}  // namespace fard

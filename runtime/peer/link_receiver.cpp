#include <cassert>
#include <deque>
#include <utility>

#include "runtime/peer/link.hpp"
#include "runtime/peer/link_frames.hpp"
#include "runtime/peer/link_watch.hpp"

namespace fard {

struct LinkReceiver::Impl {
    Impl(LinkTerms agreed, HeaderForm headers, Socket data_socket, Socket credit_socket,
         links::LinkWatch connections, Pacer* charged_by)
        : terms(std::move(agreed)),
          form(std::move(headers)),
          half(links::half_window(terms.window())),
          lead(terms.lead()),
          limit(lead),
          sizes(terms.tensor_bytes()),
          chunk_bytes(terms.chunk_bytes()),
          compact(terms.compact_bytes()),
          data(std::move(data_socket)),
          credit(std::move(credit_socket)),
          watch(std::move(connections)),
          pacer(charged_by) {}

    Result<bool> take(Chunk& chunk, Socket::Wait wait);
    Result<> come_in();
    Result<bool> take_paced(Chunk& chunk);
    bool is_free() const { return pacer->place() != 0 && pacer->place() == sender_place; }
    bool take_tensors(Chunk& chunk);
    bool take_compact(Chunk& chunk);
    Result<> take_open(std::string_view bytes);
    bool flush();

    LinkTerms terms;
    HeaderForm form;
    std::uint64_t half;
    std::uint64_t lead;
    std::uint64_t limit;             // how many may be sent, as the sender was told
    std::vector<std::size_t> sizes;  // bytes of each tensor
    std::uint64_t chunk_bytes;       // of one, with its header
    std::uint64_t compact;           // bytes of a chunk of one frame, 0 where they are of several
    Socket data;
    Socket credit;
    links::LinkWatch watch;
    wire::LinkEndpoint endpoint;
    bool opened = false;
    std::string from;
    std::uint64_t taken = 0;
    std::uint64_t credited = 0;  // of these, told to the sender
    bool reserved = false;       // a larger lead has not been told
    bool credit_due = false;     // telling it failed: its connection is not up yet, or it does not read
    std::uint64_t dropped = 0;
    Pacer* pacer;
    std::uint64_t sender_place = 0;
    struct Paced {
        Chunk chunk;
        TimePoint until;  // first that it is in, then that it is taken in hand
        bool in = false;  // the first of the two is over
    };
    std::deque<Paced> waiting;  // came, but is not yet paid for or asked for; the sender's window bounds them
};

LinkReceiver::LinkReceiver(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LinkReceiver::LinkReceiver(LinkReceiver&&) noexcept = default;
LinkReceiver& LinkReceiver::operator=(LinkReceiver&&) noexcept = default;
LinkReceiver::~LinkReceiver() = default;

// ---- making one

struct LinkReceiver::Making {
    HeaderForm form;
    Socket data, credit;
    links::LinkWatch watch;
};

Result<LinkReceiver::Making> LinkReceiver::make(SocketFactory& sockets, const LinkTerms& terms, bool bound) {
    auto form = HeaderForm::of(terms.run, terms.epoch, terms.tensors, terms.positions);
    if (!form) return fail(form.error());
    auto data = sockets.make(SocketKind::pull, links::data_options(terms, terms.window()));
    if (!data) return fail(data.error());
    auto credit = sockets.make(SocketKind::push, links::credit_options());
    if (!credit) return fail(credit.error());
    auto watch = links::LinkWatch::on(sockets, *data, *credit, bound);
    if (!watch) return fail(watch.error());
    return Making{std::move(*form), std::move(*data), std::move(*credit), std::move(*watch)};
}

Result<LinkReceiver> LinkReceiver::bind(SocketFactory& sockets, const std::string& place, LinkTerms terms,
                                        Pacer* pacer) {
    auto made = make(sockets, terms, true);
    if (!made) return fail(made.error());
    auto endpoint = links::bind_pair(sockets, place, made->data, made->credit);
    if (!endpoint) return fail(endpoint.error());
    auto impl = std::make_unique<Impl>(std::move(terms), std::move(made->form), std::move(made->data),
                                       std::move(made->credit), std::move(made->watch), pacer);
    impl->endpoint = std::move(*endpoint);
    if (pacer) impl->endpoint.place = pacer->place();
    return LinkReceiver(std::move(impl));
}

Result<LinkReceiver> LinkReceiver::connect(SocketFactory& sockets, const wire::LinkEndpoint& endpoint, LinkTerms terms,
                                           Pacer* pacer) {
    auto made = make(sockets, terms, false);
    if (!made) return fail(made.error());
    if (auto connected = links::connect_pair(endpoint, made->data, made->credit); !connected) return fail(connected.error());
    auto impl = std::make_unique<Impl>(std::move(terms), std::move(made->form), std::move(made->data),
                                       std::move(made->credit), std::move(made->watch), pacer);
    impl->endpoint = endpoint;
    return LinkReceiver(std::move(impl));
}

// ---- LINK_OPEN

namespace {

std::string describe(const TensorDesc& tensor) {
    return fmt::format("'{}' {} ({}, declared {})", tensor.name, short_form(tensor),
                       tensor.layout.empty() ? "no layout" : tensor.layout, tensor.declared);
}

// What a LINK_OPEN of this link says otherwise than our terms; empty if it agrees.
std::string difference(const wire::LinkOpen& open, const LinkTerms& terms) {
    if (open.tensors.size() != terms.tensors.size())
        return fmt::format("it sends {} tensors, expected {}", open.tensors.size(), terms.tensors.size());
    for (std::size_t i = 0; i < open.tensors.size(); ++i)
        if (!(open.tensors[i] == terms.tensors[i]))
            return fmt::format("its tensor {} is {}, expected {}", i, describe(open.tensors[i]),
                               describe(terms.tensors[i]));
    return {};
}

}  // namespace

Result<> LinkReceiver::Impl::take_open(std::string_view bytes) {
    const auto decoded = wire::decode(bytes);
    const auto* open = decoded ? decoded->body.as<wire::LinkOpen>() : nullptr;
    const bool newer = !decoded && decoded.error().fault == Fault::unsupported &&
                       decoded.error().message.starts_with(wire::LinkOpen::name);
    if (newer && !opened)
        return fail(Fault::unsupported, "the sender of a link is of a newer fard ({}); install the same on all boards",
                    decoded.error().message);
    // Ports are used again, and a sender of an old wiring tries to connect for as long as it lives.
    if (open == nullptr || open->run != terms.run || open->epoch != terms.epoch) {
        ++dropped;
        return {};
    }
    if (const auto differs = difference(*open, terms); !differs.empty())
        return fail(Fault::invalid_input, "the link from {} does not fit: {}", open->from, differs);
    opened = true;
    from = open->from;
    sender_place = open->place;
    watch.opened_by_peer();
    return {};
}

// ---- chunks

// Takes the frames behind the header, all of them; false: there were more or fewer than the terms say.
bool LinkReceiver::Impl::take_tensors(Chunk& chunk) {
    chunk.tensors.resize(sizes.size());
    auto part = Socket::Part::more;
    std::size_t count = 0;
    for (; part == Socket::Part::more && count < sizes.size(); ++count)
        part = data.receive_frame(chunk.tensors[count], Socket::Wait::no);
    if (part == Socket::Part::last && count == sizes.size()) return true;
    for (Frame surplus; part == Socket::Part::more;)
        part = data.receive_frame(surplus, Socket::Wait::no);
    return false;
}

// A chunk of one frame: its tensors are copied. false: it is none of ours.
bool LinkReceiver::Impl::take_compact(Chunk& chunk) {
    const auto whole = chunk.header->text();
    if (compact == 0 || whole.size() != compact || !opened) return false;
    if (form.read(whole.substr(0, form.bytes()), chunk.index, chunk.trace) != HeaderForm::Match::ours) return false;
    chunk.tensors.clear();
    auto at = form.bytes();
    for (const auto bytes : sizes) {
        chunk.tensors.emplace_back(whole.substr(at, bytes));
        at += bytes;
    }
    return true;
}

Result<bool> LinkReceiver::Impl::take(Chunk& chunk, Socket::Wait wait) {
    if (!chunk.header) chunk.header = std::make_unique<Frame>();
    for (;;) {
        const auto part = data.receive_frame(*chunk.header, wait);
        if (part == Socket::Part::none) return false;
        if (part == Socket::Part::last) {
            if (take_compact(chunk)) return true;
            if (auto agreed = take_open(chunk.header->text()); !agreed) return fail(agreed.error());
            continue;
        }
        const bool complete = take_tensors(chunk);
        const auto match = form.read(chunk.header->text(), chunk.index, chunk.trace);
        if (!opened || match != HeaderForm::Match::ours) {
            ++dropped;
            continue;
        }
        if (!complete)
            return fail(Fault::corrupt, "chunk {} from {} has not the {} tensors that its link promised",
                        chunk.index, from, sizes.size());
        for (std::size_t i = 0; i < sizes.size(); ++i)
            if (chunk.tensors[i].size() != sizes[i])
                return fail(Fault::corrupt, "chunk {} from {}: tensor '{}' has {} bytes instead of {}",
                            chunk.index, from, terms.tensors[i].name, chunk.tensors[i].size(), sizes[i]);
        return true;
    }
}

// What is in the socket is on the board's way from now on, and what is through that is the processor's.
Result<> LinkReceiver::Impl::come_in() {
    for (Chunk next;;) {
        const auto came = take(next, Socket::Wait::no);
        if (!came) return fail(came.error());
        if (!*came) break;
        const auto in_at = is_free() ? TimePoint{} : pacer->charge_arrival(chunk_bytes);
        waiting.push_back({std::exchange(next, {}), in_at, is_free()});
    }
    const auto now = std::chrono::steady_clock::now();
    for (auto& one : waiting) {
        if (one.in || one.until > now) continue;
        one.until = pacer->charge_receive(chunk_bytes, one.until);
        one.in = true;
    }
    return {};
}

Result<bool> LinkReceiver::Impl::take_paced(Chunk& chunk) {
    if (auto came = come_in(); !came) return fail(came.error());
    if (waiting.empty() || !waiting.front().in || waiting.front().until > std::chrono::steady_clock::now()) return false;
    chunk = std::move(waiting.front().chunk);
    chunk.since = waiting.front().until;
    waiting.pop_front();
    return true;
}

Result<> LinkReceiver::come_in() {
    if (impl_->pacer == nullptr) return {};
    auto came = impl_->come_in();
    impl_->data.recheck();
    return came;
}

Result<bool> LinkReceiver::receive(Chunk& chunk) {
    auto taken = impl_->pacer == nullptr ? impl_->take(chunk, Socket::Wait::no) : impl_->take_paced(chunk);
    impl_->data.recheck();
    if (!taken || !*taken) chunk.tensors.clear();
    return taken;
}

Result<bool> LinkReceiver::await(Chunk& chunk) {
    assert(impl_->pacer == nullptr);
    auto taken = impl_->take(chunk, Socket::Wait::until_interrupted);
    if (!taken || !*taken) chunk.tensors.clear();
    return taken;
}

Result<std::optional<Chunk>> LinkReceiver::receive() {
    Chunk chunk;
    const auto taken = receive(chunk);
    if (!taken) return fail(taken.error());
    return *taken ? std::optional(std::move(chunk)) : std::nullopt;
}

// ---- credit

bool LinkReceiver::Impl::flush() {
    if (taken == credited && !reserved) return true;
    Message message;
    message.emplace_back(wire::encode({}, wire::Credit{terms.run, terms.epoch, taken, taken + lead}));
    const bool sent = credit.try_send(message);
    if (sent) credited = taken, limit = taken + lead;
    if (sent) reserved = false;
    credit_due = !sent;
    return sent;
}

void LinkReceiver::taken(bool waited_for) {
    ++impl_->taken;
    const bool due = waited_for ? impl_->taken + 1 >= impl_->limit : impl_->taken - impl_->credited >= impl_->half;
    if (due) impl_->flush();
}

bool LinkReceiver::flush_credit() {
    return impl_->flush();
}

void LinkReceiver::reserve(std::uint64_t chunks) {
    impl_->lead += chunks;
    impl_->reserved = true;
}

bool LinkReceiver::credit_due() const {
    return impl_->credit_due;
}

// ---- the rest

void LinkReceiver::admit(const PublicKey& sender) {
    impl_->data.admit({sender});
    impl_->credit.admit({sender});
}

const wire::LinkEndpoint& LinkReceiver::endpoint() const {
    return impl_->endpoint;
}
const LinkTerms& LinkReceiver::terms() const {
    return impl_->terms;
}
bool LinkReceiver::opened() const {
    return impl_->opened;
}
bool LinkReceiver::lost() {
    return impl_->watch.lost();
}
const std::string& LinkReceiver::from() const {
    return impl_->from;
}
std::uint64_t LinkReceiver::dropped() const {
    return impl_->dropped;
}
TimePoint LinkReceiver::paced_until() const {
    auto first = TimePoint{};
    for (const auto& one : impl_->waiting)
        if (!one.in) first = earlier(first, one.until);
    return impl_->waiting.empty() || !impl_->waiting.front().in ? first : earlier(first, impl_->waiting.front().until);
}
int LinkReceiver::fd() const {
    return impl_->data.fd();
}
void* LinkReceiver::native() const {
    return impl_->data.native();
}

std::unique_ptr<Socket::Watch> LinkReceiver::watch(Loop& loop, std::function<void()> on_ready) {
    auto watch = impl_->data.watch(loop, on_ready);
    watch->join(impl_->watch.watch(loop, std::move(on_ready)));
    watch->join(impl_->credit.watch(loop, [impl = impl_.get()] {
        if (impl->credit_due) impl->flush();
    }));
    return watch;
}

}  // namespace fard

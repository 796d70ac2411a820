#include "overlays/helper/helper_link.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "overlays/helper/packets.hpp"
#include "overlays/zynq/setup_text.hpp"

namespace fard::helper {
namespace {

using namespace std::chrono_literals;

constexpr Duration greeting_limit = 15s;  // the helper of a node manager that has just ended lets go first

}  // namespace

Result<std::unique_ptr<HelperLink>> HelperLink::open(Loop& loop, LinkOptions options) {
    std::unique_ptr<HelperLink> link(new HelperLink(loop, std::move(options)));
    if (auto connected = link->connect(); !connected) return fail(connected.error());
    if (auto heard = link->hear_greeting(); !heard) return fail(heard.error());
    return link;
}

Result<> HelperLink::connect() {
    channel_ = OwnedFd();
    if (options_.socket.empty()) return start_child();
    sockaddr_un address{};
    const auto path = options_.socket.string();
    if (path.size() >= sizeof address.sun_path)
        return fail(Fault::invalid_input, "board_helper: {} is too long for a socket", path);
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    OwnedFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (fd.get() < 0 || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail(Fault::unreachable, "board_helper: {}: {}; is its service started (systemctl start fard-board-helper.socket), and "
                    "may this user use it?", path, std::strerror(errno));
    channel_ = std::move(fd);
    return {};
}

Result<> HelperLink::start_child() {
    if (child_ && child_->running()) return fail(Fault::unreachable, "the board helper does not listen any more; start fardd anew");
    if (options_.program.empty())
        return fail(Fault::not_found, "the program fard-board-helper is not where it belongs to this fardd; install fard anew");
    auto channel = make_channel();
    if (!channel) return fail(channel.error());
    const auto setup = zynq::share_setup(options_.setup);
    if (!setup) return fail(setup.error());
    ChildSpec spec{.program = options_.program,
                   .args = {"--child"},
                   .descriptors = {{3, channel->theirs.get()}, {4, setup->get()}},
                   .die_with_parent = false,  // the end of the channel ends it, once nothing runs in the fabric
                   .no_new_privileges = true,
                   .capture_stderr = false};
    auto child = ChildProcess::start(loop_, spec, [](const ChildExit&) {});
    if (!child) return fail(child.error());
    child_ = std::move(*child);
    channel_ = std::move(channel->ours);
    return {};
}

Result<> HelperLink::hear_greeting() {
    const auto packet = receive(channel_.get(), greeting_limit);
    if (!packet) return fail(packet.error().fault, "the board helper ended at once: {}", packet.error().message);
    if (!*packet)
        return fail(Fault::timed_out, "the board helper does not answer within {} s; does the kernel's driver hang (dmesg)?",
                    std::chrono::duration_cast<std::chrono::seconds>(greeting_limit).count());
    if (const auto* failed = std::get_if<Failed>(&(*packet)->message)) complaint_ = Error{failed->fault, failed->message};
    return {};
}

Result<OwnedFd> HelperLink::session(const std::string& package, const std::filesystem::path& directory) {
    auto ends = make_channel();
    if (!ends) return fail(ends.error());
    if (auto told = send(ends->ours.get(), Board{options_.setup.part, options_.setup.accepted_parts}); !told) return fail(told.error());
    const Session session{package, directory.string()};
    auto told = send(channel_.get(), session, {ends->ours.get()});
    if (!told && told.error().fault == Fault::unreachable) {
        if (auto connected = connect(); !connected) return fail(connected.error());
        told = send(channel_.get(), session, {ends->ours.get()});
    }
    if (!told) return fail(told.error());
    return std::move(ends->theirs);
}

HelperLink::~HelperLink() {
    channel_ = OwnedFd();
    if (child_) child_->release();
}

Result<Board> await_board(int session) {
    auto packet = receive(session, std::chrono::seconds(5));  // it was sent before the job was started
    if (!packet) return fail(packet.error());
    auto* board = *packet ? std::get_if<Board>(&(*packet)->message) : nullptr;
    if (!board) return fail(Fault::corrupt, "the node manager does not say which part its board has");
    return std::move(*board);
}

}  // namespace fard::helper

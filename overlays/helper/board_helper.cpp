#include "overlays/helper/board_helper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "overlays/zynq/resources.hpp"

namespace fard::helper {
namespace {

using namespace std::chrono_literals;

constexpr Duration rest_limit = 2s;  // for a batch that goes on when its job has gone
constexpr Duration handover_limit = rest_limit + 2s;  // for the helper of a node manager that has just ended
constexpr std::size_t most_sessions = 256;

void say(const std::string& what) {
    fmt::print(stderr, "board helper: {}\n", what);
}

Result<OwnedFd> open_file(const std::filesystem::path& file, int flags) {
    OwnedFd fd(::open(file.c_str(), flags | O_CLOEXEC | O_NOCTTY));
    if (fd.get() < 0) return fail(Fault::io, "{}", zynq::explain(errno, file));
    return fd;
}

// The process at the other end; of a socket pair, the one that made it.
std::string holder_of(int channel) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(channel, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid == 0) return "a node manager";
    return fmt::format("the node manager with process {}", peer.pid);
}

}  // namespace

void BoardHelper::serve(int channel, int listener) {
    holder_ = holder_of(channel);
    greet(channel);
    for (bool here = true; here;) {
        std::vector<pollfd> waits{{channel, POLLIN, 0}, {listener, POLLIN, 0}};
        const auto before = waits.size();
        for (const auto& seat : seats_) waits.push_back({seat->socket.get(), POLLIN, 0});
        if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) break;
        // Jobs before their node manager: what one has ended is over before the next one begins.
        for (std::size_t i = waits.size(); i-- > before;) {
            auto& seat = seats_[i - before];
            if (waits[i].revents == 0 || hear_job(*seat)) continue;
            if (owner_ == seat.get()) let_go();
            seats_.erase(seats_.begin() + static_cast<std::ptrdiff_t>(i - before));
        }
        if (waits[0].revents != 0) here = hear_manager(channel);
        if (here && waits[1].revents != 0) refuse(listener);
    }
    let_go();
    seats_.clear();
    fabric_.reset();  // and its lock
}

Result<> BoardHelper::open_fabric() {
    if (fabric_) return {};
    auto fabric = zynq::Fabric::open(host_, setup_, holder_);
    if (!fabric) return fail(fabric.error());
    fabric_ = std::move(*fabric);
    return {};
}

void BoardHelper::greet(int channel) {
    const auto until = host_.now() + handover_limit;
    auto opened = open_fabric();
    for (; !opened && opened.error().fault == Fault::refused && host_.now() < until; opened = open_fabric()) host_.pause(20ms);
    const Message greeting = opened ? Message(Board{setup_.part, setup_.accepted_parts}) : Failed{opened.error().fault, opened.error().message};
    if (const auto sent = send(channel, greeting); !sent) say(sent.error().message);
}

void BoardHelper::refuse(int listener) const {
    const OwnedFd other(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (other.get() < 0) return;
    const auto why = fmt::format("the board's FPGA is in use: {} has it; one of them must leave it alone (fabric = \"off\" in its "
                                 "configuration)", holder_);
    say(why);
    if (const auto sent = send(other.get(), Failed{Fault::refused, why}); !sent) say(sent.error().message);
}

// False: its end is closed.
bool BoardHelper::hear_manager(int channel) {
    auto packet = receive(channel, Duration::zero());
    if (!packet) return false;
    if (!*packet) return true;
    auto* session = std::get_if<Session>(&(*packet)->message);
    if (!session || (*packet)->descriptors.size() != 1 || seats_.size() >= most_sessions) {
        say("dropped what a node manager does not say, or a session too many");
        return true;
    }
    seats_.push_back(std::make_unique<Seat>(
        Seat{std::move((*packet)->descriptors.front()), std::move(session->package), std::move(session->directory)}));
    return true;
}

bool BoardHelper::hear_job(Seat& seat) {
    const auto packet = receive(seat.socket.get(), Duration::zero());
    if (!packet) return false;
    if (*packet) obey(seat, (*packet)->message);
    return true;
}

void BoardHelper::obey(Seat& seat, const Message& message) {
    if (const auto* load_it = std::get_if<Load>(&message)) return load(seat, load_it->anew);
    const auto* back = std::get_if<GiveBack>(&message);
    if (!back) return say("dropped what a job does not say");
    if (owner_ != &seat) return;
    let_go();
    if (!back->forget) return;
    if (const auto forgotten = fabric_->unload(); !forgotten) say(forgotten.error().message);
}

void BoardHelper::load(Seat& seat, bool anew) {
    bool programmed = false;
    auto opened = prepare(seat, anew, programmed);
    Result<> sent;
    if (opened) {
        std::vector<int> descriptors;
        for (const auto& one : opened->descriptors) descriptors.push_back(one.get());
        sent = send(seat.socket.get(), Loaded{programmed, std::move(opened->windows)}, descriptors);
    } else {
        say(opened.error().message);
        sent = send(seat.socket.get(), Failed{opened.error().fault, opened.error().message});
    }
    const bool others = owner_ && owner_ != &seat;  // who was refused because of it takes nothing from it
    if ((!sent || !opened) && !others) let_go();    // if the job is gone its socket says so
}

// Who has the fabric gives it up first; what it said last may not have been heard yet.
Result<> BoardHelper::take_fabric(const Seat& seat, bool anew) {
    if (owner_ == &seat && anew) dmas_.clear();  // programming ends what runs there
    while (owner_ && owner_ != &seat) {
        auto packet = receive(owner_->socket.get(), Duration::zero());
        if (packet && !*packet)
            return fail(Fault::refused, "the fabric is in use by a job with package {}", owner_->package.substr(0, 16));
        if (packet) obey(*owner_, (*packet)->message);
        else let_go();
    }
    let_go();
    return open_fabric();
}

Result<BoardHelper::Opened> BoardHelper::prepare(Seat& seat, bool anew, bool& programmed) {
    if (auto taken = take_fabric(seat, anew); !taken) return fail(taken.error());
    const auto package = Package::open_verified(seat.directory);
    if (!package) return fail(package.error());
    if (package->id != seat.package)
        return fail(Fault::corrupt, "{} holds the package {}, not {}", seat.directory.string(), package->id, seat.package);
    const auto access = fabric_->load(*package, anew || stuck_);
    if (!access) return fail(access.error());
    stuck_ = false;
    programmed = access->programmed;
    const auto& build = *zynq::build_for(package->manifest, setup_.part, setup_.accepted_parts);
    Opened out;
    if (auto opened = open_state(out); !opened) return fail(opened.error());
    if (auto opened = open_registers(build, out); !opened) return fail(opened.error());
    if (auto opened = open_memory(out); !opened) return fail(opened.error());
    if (auto watched = watch_dmas(build); !watched) return fail(watched.error());
    owner_ = &seat;
    return out;
}

Result<> BoardHelper::open_state(Opened& out) {
    const auto file = fabric_->manager().state_file();
    auto fd = open_file(file, O_RDONLY);
    if (!fd) return fail(fd.error());
    out.windows.push_back({Window::Kind::state, file.string(), 0, 0, 0});
    out.descriptors.push_back(std::move(*fd));
    return {};
}

Result<> BoardHelper::open_registers(const Hardware& build, Opened& out) {
    for (const auto& block : build.registers) {
        const auto place = zynq::find_registers(host_, setup_.roots, block);
        if (!place) return fail(place.error());
        auto fd = open_file(place->device, O_RDWR | O_SYNC);
        if (!fd) return fail(fd.error());
        out.windows.push_back({Window::Kind::registers, block.name, block.address, place->bytes, place->offset});
        out.descriptors.push_back(std::move(*fd));
    }
    if (out.windows.size() + 3 <= max_windows) return {};
    return fail(Fault::invalid_input, "{} blocks of registers are more than any accelerator has", build.registers.size());
}

// All that there is, as many as fit: which one is large enough knows the job.
Result<> BoardHelper::open_memory(Opened& out) {
    for (const auto& place : zynq::find_memory(host_, setup_.roots, setup_.memory)) {
        if (!setup_.memory.empty() && place.name != setup_.memory) continue;
        if (out.windows.size() + 3 > max_windows) break;
        auto fd = open_file(place.device, O_RDWR | (place.sync.empty() ? O_SYNC : 0));
        if (!fd) return fail(fd.error());
        out.windows.push_back({Window::Kind::memory, place.name, place.address, place.bytes, 0});
        out.descriptors.push_back(std::move(*fd));
        if (place.sync.empty()) continue;
        for (const auto& [kind, name] : {std::pair{Window::Kind::sync_for_device, "sync_for_device"}, {Window::Kind::sync_for_cpu, "sync_for_cpu"}}) {
            auto sync = open_file(place.sync / name, O_WRONLY);
            if (!sync) return fail(sync.error());
            out.windows.push_back({kind, name, 0, 0, 0});
            out.descriptors.push_back(std::move(*sync));
        }
    }
    return {};
}

// Those of the package's streams, to be looked at when the job has gone.
Result<> BoardHelper::watch_dmas(const Hardware& build) {
    for (const auto* streams : {&build.inputs, &build.outputs})
        for (const auto& stream : *streams) {
            const auto block = std::ranges::find(build.registers, stream.dma, &RegisterBlock::name);
            if (block == build.registers.end() || block->bytes < zynq::FinnDma::register_bytes) continue;  // the job says what is wrong
            auto registers = zynq::open_registers(host_, setup_.roots, *block);
            if (!registers) return fail(registers.error());
            dmas_.emplace_back(stream.dma, std::move(*registers));
        }
    return {};
}

void BoardHelper::let_go() {
    if (!dmas_.empty() && !come_to_rest()) {
        stuck_ = true;
        say("a DMA of a job that is gone does not come to rest; the fabric is programmed anew before it is used again");
        if (const auto forgotten = fabric_->unload(); !forgotten) say(forgotten.error().message);
    }
    dmas_.clear();
    owner_ = nullptr;
}

bool BoardHelper::come_to_rest() {
    const auto until = host_.now() + rest_limit;
    for (;;) {
        if (!fabric_->operating()) return true;  // nothing runs there, and nothing of it may be touched
        if (std::ranges::all_of(dmas_, [](zynq::FinnDma& dma) { return dma.idle(); })) return true;
        if (host_.now() >= until) return false;
        host_.pause(1ms);
    }
}

}  // namespace fard::helper

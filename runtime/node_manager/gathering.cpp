#include "runtime/node_manager/gathering.hpp"

#include <algorithm>

#include "runtime/peer/codec.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard {

using namespace std::chrono_literals;

namespace {

constexpr Duration answer_limit = 10s;  // a board answers after 1 s at the latest
constexpr Duration pause = 300ms;       // before a board that could not is asked again
constexpr int most_spoiled = 3;         // times that a board finds a package damaged, before it is left for another
constexpr double soon_s = 2;            // the rest comes within this, at the rate so far

// Nobody else's help changes these.
bool is_the_boards(Fault fault) {
    return fault == Fault::io || fault == Fault::refused || fault == Fault::invalid_input;
}

}  // namespace

Gathering::Gathering(Loop& loop, Courier& courier, RunId run, Events events)
    : loop_(loop), courier_(courier), run_(std::move(run)), events_(std::move(events)), moved_(loop.now()) {}

Gathering::~Gathering() = default;

void Gathering::start(Wishes wishes, Sources sources) {
    stop();
    sources_ = std::move(sources);
    moved_ = began_ = loop_.now();
    gained_ = 0;
    for (const auto& [board, packages] : wishes)
        for (const auto& package : packages)
            boards_[board].packages[package] = {};
    for (const auto& [board, packages] : wishes)
        ask(board);
}

void Gathering::stop() {
    ++generation_;
    boards_.clear();
}

void Gathering::ask(const PeerId& board) {
    wire::Gather gather{run_, {}};
    for (const auto& [package, row] : boards_.at(board).packages)
        gather.packages.push_back({package, sources_(board, package)});
    courier_.ask(board, std::move(gather), answer_limit,
                 [this, board, generation = generation_, life = lifetime_.watch()](Result<wire::Body> answer) {
                     if (life.over() || generation != generation_) return;
                     answered(board, std::move(answer));
                 });
}

void Gathering::answered(const PeerId& peer, Result<wire::Body> answer) {
    const auto found = boards_.find(peer);
    if (found == boards_.end()) return;
    auto& board = found->second;
    const auto* gathered = answer ? answer->as<wire::Gathered>() : nullptr;
    bool failing = false;
    const auto taken = !answer     ? Result<>(fail(answer.error()))
                       : !gathered ? Result<>(fail(Fault::failed, "answered GATHER with {}", wire::name_of(*answer)))
                                   : take(board, *gathered, failing);
    if (!taken) {
        stop();
        return events_.board_failed(peer, taken.error());
    }
    if (board.ready) {
        if (std::ranges::all_of(boards_, [](const auto& entry) { return entry.second.ready; })) {
            stop();
            return events_.ready();
        }
    } else if (failing) {
        loop_.call_after(pause, [this, peer, generation = generation_, life = lifetime_.watch()] {
            if (!life.over() && generation == generation_) ask(peer);
        });
    } else {
        ask(peer);
    }
    if (!failing && !hurried_ && ready_soon()) {
        hurried_ = true;
        stop();
        return events_.ready();
    }
    events_.progress();
}

Result<> Gathering::take(Board& board, const wire::Gathered& gathered, bool& failing) {
    for (const auto& told : gathered.packages) {
        const auto found = board.packages.find(told.package);
        if (found == board.packages.end()) continue;
        auto& row = found->second;
        if (told.held != row.held || told.ready != row.ready) moved_ = loop_.now();
        if (told.held > row.held) gained_ += told.held - row.held;
        row = {told.held, told.total, told.ready, told.reason, row.spoiled};
        if (told.fault == 0) continue;
        const auto error = to_error({told.fault, told.reason});
        if (is_the_boards(error.fault)) return fail(error);
        if (error.fault == Fault::corrupt && ++row.spoiled >= most_spoiled) return fail(error);  // its own disk may be why
        failing = true;
    }
    board.ready = std::ranges::all_of(board.packages, [](const auto& entry) { return entry.second.ready; });
    return {};
}

bool Gathering::ready_soon() const {
    std::uint64_t left = 0;
    for (const auto& [peer, board] : boards_)
        for (const auto& [package, row] : board.packages) {
            if (!row.ready && (row.total == 0 || !row.reason.empty())) return false;
            left += row.total - row.held;
        }
    const auto taken_s = std::chrono::duration<double>(loop_.now() - began_).count();
    return gained_ > 0 && static_cast<double>(left) * taken_s <= static_cast<double>(gained_) * soon_s;
}

std::string Gathering::text() const {
    std::uint64_t held = 0, total = 0;
    std::size_t unknown = 0;
    for (const auto& [peer, board] : boards_)
        for (const auto& [package, row] : board.packages) {
            held += row.held;
            total += row.total;
            unknown += row.total == 0;
        }
    const auto mb = [](std::uint64_t bytes) { return static_cast<double>(bytes) * 1e-6; };
    return fmt::format("{:.1f} of {:.1f} MB of the packages are on their boards{}", mb(held), mb(total),
                       unknown ? fmt::format(", {} packages have not begun", unknown) : "");
}

}  // namespace fard

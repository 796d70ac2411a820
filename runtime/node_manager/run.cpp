#include "runtime/node_manager/run.hpp"

#include <algorithm>
#include <utility>

#include "runtime/node_manager/descriptor_room.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard {

using namespace std::chrono_literals;

namespace {

constexpr auto tell_interval = 500ms;
constexpr auto late_tick = 3s;  // later than this: this process slept
constexpr auto client_grace = 10s;
constexpr auto packages_grace = 60s;  // without a byte of the packages that the run waits for
constexpr auto spawn_deadline = 20s;  // starting jobs; their packages are there, or come within a moment
constexpr auto wire_deadline = 90s;   // loading devices, opening links: longer than the boards wait
constexpr auto drain_deadline = 10s;
constexpr int most_losses = 3;
constexpr int most_breaks = 12;
constexpr int most_unopened = 4;  // of these because a link does not open: a firewall, nearly always
constexpr auto break_pause = 50ms;       // before the next wiring, times the breaks since the last new result
constexpr auto places_grace = 10s;       // for slots that are about to return
constexpr auto places_interval = 100ms;  // between two looks for them
constexpr auto client_near = 1200ms;     // a client that was heard within it is there

// Trying another board or another moment cannot help against these.
bool is_final(Fault fault) {
    return fault == Fault::invalid_input || fault == Fault::unsupported;
}

}  // namespace

const char* Run::name_of(Phase phase) {
    static constexpr const char* names[] = {"admitted", "placed", "wired",     "running", "draining",
                                            "done",     "failed", "cancelled", "lost"};
    return names[static_cast<int>(phase)];
}

Run::Run(RunSurroundings& surroundings, PeerId client, const wire::Submit& submit,
         std::function<void()> on_end)
    : around_(surroundings),
      client_(std::move(client)),
      plan_(submit, surroundings.directory, surroundings.has_package),
      on_end_(std::move(on_end)),
      epoch_{submit.attempt, 0},
      ledger_(submit.app.window_bytes, plan_.chunk_bytes(), submit.chunks),
      wiring_(plan_),
      watch_(plan_.app()),
      place_alarm_(surroundings.loop),
      taken_at_(surroundings.loop.now()),
      client_heard_(taken_at_) {}

Run::~Run() {
    lifetime_.end();
    around_.loop.cancel(tick_);
    if (!admitted_.members.empty()) around_.memory.give_back(ticket());
}

Result<std::unique_ptr<Run>> Run::start(RunSurroundings& surroundings, PeerId client,
                                        const wire::Submit& submit, std::function<void()> on_end) {
    if (auto checked = RunPlan::check(submit); !checked) return fail(checked.error());
    std::unique_ptr<Run> run(new Run(surroundings, std::move(client), submit, std::move(on_end)));
    if (auto prepared = run->prepare(); !prepared) return fail(prepared.error());
    return run;
}

Result<> Run::prepare() {
    const auto boards = around_.directory.boards();
    if (boards.empty())
        return fail(Fault::refused, "this node manager does not know its own devices yet; try again");
    // A client that comes with a later attempt has been admitted before: its run waits for the boards to return.
    const auto fits = plan_.fits();
    if (!fits && plan_.submit().attempt == 0) return fail(fits.error());

    if (plan_.memory() > around_.memory.bytes())
        return fail(Fault::refused,
                    "app '{}' may have {} bytes of chunks under way at its coordinator, and board {} gives {} to all runs "
                    "together; make the app's window or link budget smaller, or the board's run_memory larger",
                    plan_.app().name, plan_.memory(), boards.front().member.name, around_.memory.bytes());

    admitted_.ticket = plan_.submit().ticket ? plan_.submit().ticket : around_.next_ticket();
    for (const auto& board : boards)
        admitted_.members.push_back(board.member);
    plan_.remember_names(admitted_.members);
    admitted_.missing = plan_.missing_packages();
    gathering_ = std::make_unique<Gathering>(
        around_.loop, around_.courier, plan_.submit().run,
        Gathering::Events{.ready = [this] { reserve(); },
                          .board_failed = [this](const PeerId& board,
                                                 const Error& why) { on_board_fault(board, why, "packages"); },
                          .progress = [this] { waiting_for_ = gathering_->text(); }});
    reserver_ = std::make_unique<Reserver>(
        around_.loop, around_.courier, plan_.submit().run, admitted_.ticket,
        Reserver::Events{
            .reserved = [this] { spawn(); },
            .lost = [this](const PeerId& board, const Error& why) { on_board_fault(board, why, "lease"); },
            .overslept = [this](const Error& why) { end(Phase::lost, why); },
            .waiting =
                [this](const std::string& why) {
                    wait_for(why);
                    tell();
                },
            .name_of = [this](const PeerId& board) { return plan_.board_name(board); },
            .progress = [this](const PeerId&, const std::vector<wire::JobProgress>& jobs) { watch_.heard(jobs); }});
    note(LogLevel::info, "taken{}: app '{}' with {} positions, {} chunks, attempt {}",
         plan_.submit().owner.empty() ? "" : " from " + plan_.submit().owner, plan_.app().name, plan_.app().positions.size(),
         plan_.submit().chunks, plan_.submit().attempt);
    // Not at once: the answer to the submission goes out first.
    later([this] { place(); });
    ticked_ = woke_ = taken_at_;
    tick_ = around_.loop.call_after(tell_interval, [this] { tick(); });
    return {};
}

bool Run::complete() const {
    return phase_ == Phase::running && ledger_.results() == plan_.submit().chunks;
}

void Run::place() {
    if (over()) return;
    place_alarm_.clear();
    phase_ = Phase::admitted;
    if (!place_now()) return;
    auto lacking = plan_.lacking_packages();
    if (lacking.empty()) return reserve();
    gathering_->start(std::move(lacking), [this](const PeerId& board, const std::string& package) {
        return plan_.package_ways(board, package);
    });
    wait_for(gathering_->text());
    tell();
}

// Boards that are away for a moment come back, so where slots are lost jobs share the ones that are left, or the run ends, only if they
// stay too few.
bool Run::place_now() {
    const auto now = around_.loop.now();
    const bool first = epoch_.attempt == 0 && epoch_.wiring == 0;
    const bool waited = placeless_since_ && now - *placeless_since_ >= places_grace;
    const auto placed = plan_.place(first || waited || plan_.shared_before() || !plan_.ruled_out().empty());
    if (placed) {
        placeless_since_.reset();
        lost_board_.clear();
        return true;
    }
    // Every board is there, and yet there is no place: what no device takes, none ever will.
    if (const auto why = plan_.ruled_out(); !why.empty() && plan_.fits()) {
        end(Phase::failed, {Fault::refused, fmt::format("no board of the cluster can take it: {}", why)});
        return false;
    }
    if (!placeless_since_) placeless_since_ = now;
    if (waited) {
        const auto away = lost_board_.empty() ? "" : lost_board_ + ", and has not come back within 10 s: ";
        end(Phase::failed, {placed.error().fault, away + placed.error().message});
        return false;
    }
    waiting_for_ = fmt::format("slots: {}{}{}", lost_board_, lost_board_.empty() ? "" : ": ", placed.error().message);
    place_alarm_.set(places_interval, [this] { place(); });
    return false;
}

void Run::reserve() {
    if (over()) return;
    gathering_->stop();
    if (!around_.memory.take(ticket(), plan_.memory())) {
        waiting_for_ = fmt::format("memory: the chunks of other runs take the {} bytes that this node manager gives them",
                                   around_.memory.bytes());
        place_alarm_.set(places_interval, [this] { place(); });
        return;
    }
    reserver_->reserve(epoch_, plan_.by_board());
}

// Asks every board of the placement the same step; `then` runs once all have answered well. An answer that
// comes after the epoch has moved on changes nothing.
void Run::ask_boards(const std::function<wire::Body(const PeerId&)>& make, Duration deadline,
                     const char* step, std::function<Result<>(const PeerId&, const wire::Body&)> take,
                     std::function<void()> then) {
    const auto boards = plan_.by_board();
    answers_missing_ = boards.size();
    for (const auto& [peer, slots] : boards) {
        around_.courier.ask(peer, make(peer), deadline,
                            [this, life = lifetime_.watch(), epoch = epoch_, board = peer, step, take,
                             then](Result<wire::Body> answer) {
                                if (life.over() || !current(epoch)) return;
                                Result<> taken =
                                    answer ? take(board, *answer) : Result<>(fail(answer.error()));
                                if (!taken) return on_board_fault(board, taken.error(), step);
                                if (--answers_missing_ == 0) then();
                            });
    }
}

void Run::spawn() {
    if (over()) return;
    phase_ = Phase::placed;
    waiting_for_.clear();
    note(LogLevel::info, "placed: {}", plan_.places_text());
    if (!plan_.why_not_scheduled().empty()) note(LogLevel::warning, "not as its schedule says: {}", plan_.why_not_scheduled());
    if (plan_.shared_slots() > 0)
        note(LogLevel::info, "{} slots are shared, in turns of {} chunks{}", plan_.shared_slots(), plan_.batch(),
             plan_.app().batch > plan_.batch() ? fmt::format("; the window holds no {}", plan_.app().batch) : "");
    tell();
    wiring_.begin();
    left_ = {chunks_left(), ledger_.first_left()};
    ask_boards([this](const PeerId& board) { return wire::Body(plan_.spawn_on(board, epoch_, left_)); }, spawn_deadline,
               "starting jobs",
               [this](const PeerId& board, const wire::Body& body) { return wiring_.take(board, body); },
               [this] { wire_up(); });
}

// At the first wiring: a run that waits for its places holds nothing that it does not need to wait.
Result<> Run::make_ends() {
    if (ends_) return {};
    if (auto room = check_descriptor_room(descriptors_of_a_run); !room) return room;
    auto ends =
        around_.make_ends({plan_.submit().run, plan_.submit().attempt, plan_.app(), around_.key_of(client_), plan_.submit().on_board}, ledger_,
                          {.opened =
                               [this] {
                                   ends_open_ = true;
                                   check_wired();
                               },
                           .broken = [this](const Error& error) { end(Phase::failed, error); },
                           .link_lost = [this](const Error& error) { broke(error.message); },
                           .client_lost = [this](const Error&) { client_link_lost_ = true; }});
    if (!ends) return fail(ends.error());
    ends_ = std::move(*ends);
    return {};
}

void Run::unwire() {
    if (ends_) ends_->unwire();
}

void Run::wire_up() {
    phase_ = Phase::wired;
    ends_open_ = jobs_linked_ = false;
    watch_.begin(around_.loop.now(), turn_patience());
    if (auto made = make_ends(); !made) return end(Phase::failed, made.error());
    auto sinks = ends_->bind_sinks(epoch_, wiring_.keys_of(plan_.last_position()));
    if (!sinks) return broke("no place for the results at the coordinator: " + sinks.error().message);
    tell();
    const auto ours = around_.directory.boards().front().member.key;
    auto make = [&](const PeerId& board) { return wire::Body(wiring_.for_board(board, epoch_, *sinks, ours)); };
    ask_boards(
        make, wire_deadline, "wiring", [](const PeerId&, const wire::Body&) { return Result<>(); },
        [this] {
            jobs_linked_ = true;
            check_wired();
        });
    if (auto fed = ends_->connect_feeders(epoch_, wiring_.links_into(0, 0), plan_.spread_into(0, left_.first)); !fed)
        return broke("no way from the coordinator to position 0: " + fed.error().message);
}

// For people: a later attempt carries only the chunks without a result.
std::string Run::of_attempt() const {
    const auto attempt = plan_.submit().attempt;
    return attempt > 0 ? fmt::format(" of attempt {}", attempt) : "";
}

// A chunk may wait until a job that has nothing to do gives way, and then until another one does.
Duration Run::turn_patience() const {
    return plan_.shared_slots() > 0 ? 2 * std::chrono::milliseconds(plan_.app().turn_wait_ms) : Duration();
}

void Run::check_wired() {
    if (over() || phase_ != Phase::wired || !jobs_linked_ || !ends_open_) return;
    phase_ = Phase::running;
    note(LogLevel::info, "wired and running, {} of {} results{} so far", ledger_.results(), plan_.submit().chunks,
         of_attempt());
    watch_.begin(around_.loop.now(), turn_patience());
    tell();
    ends_->start();
    if (!finish_replies_.empty()) drain();
}

void Run::finish(Reply reply) {
    finish_replies_.push_back(std::move(reply));
    if (phase_ == Phase::running && !over()) drain();
}

void Run::drain() {
    phase_ = Phase::draining;
    tell();
    unwire();
    // The results are out: a board that is lost now costs its rows of the report, not the run.
    const auto boards = plan_.by_board();
    answers_missing_ = boards.size();
    for (const auto& [peer, slots] : boards) {
        around_.courier.ask(peer, wire::Drain{plan_.submit().run, epoch_}, drain_deadline,
                            [this, life = lifetime_.watch(), epoch = epoch_](Result<wire::Body> answer) {
                                if (life.over() || !current(epoch)) return;
                                if (const auto* drained = answer ? answer->as<wire::Drained>() : nullptr)
                                    reports_.insert(reports_.end(), drained->jobs.begin(),
                                                    drained->jobs.end());
                                if (--answers_missing_ == 0) end(Phase::done, {});
                            });
    }
}

void Run::cancel(const std::string& why, Reply reply) {
    if (reply) cancel_replies_.push_back(std::move(reply));
    end(Phase::cancelled, {Fault::cancelled, why});
}

// Sets the outcome and frees the boards; the run is over for everyone once they are free.
void Run::end(Phase outcome, Error why) {
    if (over()) return;
    ending_ = true;
    gathering_->stop();
    outcome_ = outcome;
    why_ = std::move(why);
    std::ranges::sort(reports_, {}, [](const wire::JobReport& row) {
        return std::pair{row.position, row.replica};
    });
    if (outcome == Phase::lost) tell();  // the client need not wait for boards that may be out of reach
    // A link's event may have led here: it closes its sockets later.
    later([this] { unwire(); });
    reserver_->release(lifetime_.guarded([this] { later([this] { conclude(); }); }));
}

void Run::conclude() {
    phase_ = outcome_;
    const auto final = state();
    note(outcome_ == Phase::failed ? LogLevel::error : LogLevel::info, "{}: {} of {} results{}, {} replays{}{}",
         name_of(outcome_), final.results, plan_.submit().chunks, of_attempt(), final.replays, final.reason.empty() ? "" : ": ", final.reason);
    tell();
    for (auto& reply : finish_replies_)
        reply(final);
    for (auto& reply : cancel_replies_)
        reply(wire::Done{});
    on_end_();  // destroys this
}

wire::Body Run::grant(const PeerId& board, const wire::Grant& grant) {
    return reserver_->on_grant(board, grant);
}
wire::Body Run::wounded(const PeerId& board, const wire::Wounded& wounded) {
    return reserver_->on_wounded(board, wounded);
}

wire::Body Run::job_lost(const PeerId& board, const wire::JobLost& lost) {
    if (!current(lost.job.epoch) || phase_ == Phase::draining || complete()) return wire::Done{};
    if (lost.job.position >= plan_.app().positions.size())
        return wire::Refused{static_cast<std::uint8_t>(Fault::invalid_input), "there is no such position"};
    const bool said_already = lost.cause.find(lost.last_words) != std::string::npos;
    const std::string words = said_already ? "" : "; its last words:\n" + lost.last_words;
    const auto what = fmt::format("{}{}", lost.cause, words);
    if (lost.fatal) {
        end(Phase::failed,
            {Fault::failed,
             fmt::format("position {} ('{}') on board {}: {}", lost.job.position,
                         plan_.app().positions[lost.job.position].name, plan_.board_name(board), what)});
    } else if (lost.fault == static_cast<std::uint8_t>(Fault::unreachable)) {
        broke(fmt::format("position {} ('{}') on board {}: {}", lost.job.position,
                          plan_.app().positions[lost.job.position].name, plan_.board_name(board), what));
    } else if (lost.fault == static_cast<std::uint8_t>(Fault::refused) &&
               plan_.rule_out(lost.job.position, lost.job.replica, lost.cause)) {
        note(LogLevel::warning, "{}; looking for another board", plan_.misgivings().unfit.back().why);
        next_wiring(plan_.misgivings().unfit.back().why + "; looking for another board");
        place();
    } else {
        if (lost.fault != 0) plan_.misgivings().boards.insert(board);  // what it said is about its board
        rewire({lost.job.position}, board, what);
    }
    return wire::Done{};
}

void Run::board_lost(const PeerId& board, const std::string& why) {
    if (over()) return;
    reserver_->forget(board);
    if (!plan_.positions_on(board).empty()) lost_board_ = fmt::format("board {} was lost ({})", plan_.board_name(board), why);
    const auto positions = plan_.positions_on(board);
    if (positions.empty() || phase_ == Phase::draining || complete()) return;
    rewire(positions, board, "the board was lost: " + why);
}

void Run::on_board_fault(const PeerId& board, const Error& error, const std::string& step) {
    if (over() || phase_ == Phase::draining || complete()) return;
    const auto text = fmt::format("{} on board {}: {}", step, plan_.board_name(board), error.message);
    if (error.fault == Fault::cancelled) return end(Phase::lost, {Fault::cancelled, text});
    if (is_final(error.fault)) return end(Phase::failed, {error.fault, text});
    plan_.misgivings().boards.insert(board);
    rewire(plan_.positions_on(board), board, text);
}

// The next wiring: new places, new jobs, new endpoints; chunks without a result are sent again.
void Run::rewire(const std::vector<std::uint32_t>& positions, const PeerId& board, const std::string& why) {
    note_results();
    for (const auto position : positions) {
        if (++losses_[position] < most_losses) continue;
        return end(Phase::failed,
                   {Fault::failed,
                    fmt::format("position {} ('{}') was lost {} times without a new result, last on board "
                                "{}: {}",
                                position, plan_.app().positions[position].name, most_losses,
                                plan_.board_name(board), why)});
    }
    note(LogLevel::warning, "lost on board {}: {}; starting again", plan_.board_name(board), why);
    next_wiring(fmt::format("position {} was lost ({}); starting again",
                            positions.empty() ? 0 : positions.front(), why));
    place();
}

void Run::note_results() {
    if (ledger_.results() > results_at_loss_) {
        losses_.clear();
        breaks_ = unopened_ = 0;
    }
    results_at_loss_ = ledger_.results();
}

void Run::next_wiring(const std::string& why) {
    waiting_for_ = why;
    ++epoch_.wiring;
    phase_ = Phase::admitted;
    gathering_->stop();
    unwire();
    ledger_.rewire();
    plan_.forget_places();
    wiring_.begin();
    place_alarm_.clear();
    tell();
}

// No board and no job is to blame for it as far as one can see; it may come again.
void Run::broke(const std::string& why, bool unopened) {
    if (over() || phase_ == Phase::draining || complete()) return;
    note_results();
    if (unopened && ++unopened_ >= most_unopened)
        return end(Phase::failed, {Fault::unreachable, fmt::format("{}; that was the {}th time without a new result", why, unopened_)});
    if (++breaks_ > most_breaks)
        return end(Phase::failed,
                   {Fault::failed, fmt::format("the run was wired {} times without a new result; the last time: {}",
                                               most_breaks, why)});
    note(LogLevel::warning, "{}; starting again", why);
    next_wiring(why + "; starting again");
    place_alarm_.set(break_pause * (breaks_ - 1), [this] { place(); });
}

// ---- what stands still

void Run::stands_still(const RunWatch::Standstill& standstill) {
    if (standstill.client) return end(Phase::failed, {Fault::unreachable, standstill.what});
    const auto from = board_of(standstill.from), to = board_of(standstill.to);
    auto why = standstill.what;
    if (standstill.between && from == to) {
        plan_.misgivings().boards.insert(to);
        why += fmt::format(" (both on board {})", plan_.board_name(to));
    } else if (standstill.between) {
        plan_.misgivings().keep_apart(from, to);
        why += fmt::format(" (between boards {} and {})", plan_.board_name(from), plan_.board_name(to));
        if (standstill.unopened) why += where_unopened(standstill);
    }
    broke(why, standstill.unopened);
}

// A link is bound by who receives.
std::string Run::where_unopened(const RunWatch::Standstill& standstill) const {
    if (!standstill.to) return "";
    const auto [position, replica] = *standstill.to;
    const auto sender = standstill.from ? standstill.from->second : 0;
    const auto link = wiring_.links_into(position, sender)[replica];
    if (!link.data.is_tcp()) return "";
    return fmt::format(": are {} and port {} of {} open to the other board? fardd's `ports` keeps its links to a range",
                       link.data, link.credit.port(), plan_.board_name(board_of(standstill.to)));
}

PeerId Run::board_of(const std::optional<RunWatch::Job>& job) const {
    const auto* board = job ? plan_.board_of(job->first, job->second) : nullptr;
    return board ? *board : self();
}

void Run::watch_progress() {
    const auto now = around_.loop.now();
    std::optional<RunWatch::Standstill> standstill;
    if (phase_ == Phase::wired) standstill = watch_.check_links(now, ends_->standing());
    if (phase_ == Phase::running && !complete()) standstill = watch_.check_flow(now, ends_->standing());
    if (standstill && !over()) stands_still(*standstill);
}

// A client that lives and has lost a link goes on with its next attempt, when it hears that this one is over.
void Run::watch_client() {
    if (client_link_lost_ && !over() && phase_ != Phase::draining && around_.loop.now() - client_heard_ < client_near)
        end(Phase::lost, {Fault::unreachable, "a link to the client was lost"});
}

void Run::client_alive(const PeerId& client) {
    client_ = client;  // it may have come back over a new connection
    client_heard_ = around_.loop.now();
}

void Run::say_farewell(const std::string& why) {
    if (over()) return;
    ending_ = true;
    outcome_ = Phase::lost;
    why_ = {Fault::unreachable, why};
    tell();
}

void Run::tick() {
    const auto now = around_.loop.now();
    tick_ = around_.loop.call_after(tell_interval, [this] { tick(); });
    if (now - std::exchange(ticked_, now) > late_tick) woke_ = now;
    if (now - std::max(client_heard_, woke_) > client_grace)
        return end(Phase::cancelled, {Fault::cancelled, "the client has been silent for 10 s"});
    if (gathering_->under_way() && now - std::max(gathering_->moved(), woke_) > packages_grace)
        return end(Phase::failed, {Fault::timed_out, fmt::format("no byte of the packages came for 60 s: {}{}",
                                                                 gathering_->text(),
                                                                 plan_.missing_packages().empty()
                                                                     ? ""
                                                                     : "; the client has not offered them all")});
    watch_client();
    watch_progress();
    tell();
}

void Run::tell() {
    around_.tell_client(client_, state());
}

wire::RunState Run::state() const {
    wire::RunState state;
    state.run = plan_.submit().run;
    state.epoch = epoch_;
    state.phase = name_of(ending_ && outcome_ == Phase::lost ? Phase::lost : phase_);
    state.app = plan_.app().name;
    state.admitted = ledger_.admitted();
    state.results = ledger_.results();
    state.replays = ledger_.replays();
    state.duplicates = ledger_.duplicates();
    if (ending_ && outcome_ != Phase::done) {
        state.fault = static_cast<std::uint8_t>(why_.fault);
        state.reason = why_.message;
    } else {
        state.reason = waiting_for_;
    }
    if (phase_ == Phase::done) state.jobs = reports_;
    for (const auto& report : reports_) {
        state.reloads += report.stats.reloads;
        state.turns += report.stats.turns;
    }
    state.shared = plan_.shared_slots();
    if (state.shared > 0) state.batch = plan_.batch();
    state.chunks = plan_.submit().chunks;
    state.owner = plan_.submit().owner;
    state.age_ms = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(around_.loop.now() - taken_at_).count());
    for (const auto& job : plan_.jobs())
        state.places.push_back(
            {job.position, job.replica, plan_.app().positions[job.position].name, plan_.board_name(job.board),
             static_cast<std::uint32_t>(plan_.app().positions[job.position].parts.size())});
    if (ends_) state.ends = ends_->client_ends();
    if (!plan_.submit().on_board) state.way = around_.client_port;
    if (gathering_ && gathering_->under_way()) state.missing = plan_.missing_packages();
    for (const auto& board : around_.directory.boards())
        state.members.push_back(board.member);
    return state;
}

void Run::wait_for(const std::string& what) {
    if (what != waiting_for_) note(LogLevel::info, "waits: {}", what);
    waiting_for_ = what;
}

void Run::later(std::function<void()> callback) {
    around_.loop.post(lifetime_.guarded(std::move(callback)));
}

}  // namespace fard

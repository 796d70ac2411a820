#include "client/submission.hpp"

#include <algorithm>
#include <utility>

#include "runtime/peer/codec.hpp"
#include "runtime/peer/ids.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard {

using namespace std::chrono_literals;

Submission::Submission(Loop& loop, SubmissionWorld& world, SubmissionTerms terms, SubmissionChunks chunks,
                       Events events)
    : loop_(loop),
      world_(world),
      terms_(std::move(terms)),
      chunks_(std::move(chunks)),
      events_(std::move(events)),
      run_{random_hex(16)},
      times_(loop.now(), chunks_.size()),
      route_(terms_.doors, loop.now(), terms_.timing.route),
      heard_(loop.now()) {
    next_tick_ = std::min(loop_.now() + terms_.timing.alive, terms_.deadline);
    tick_ = loop_.call_at(next_tick_, [this] { tick(); });
    again_ = loop_.call_at(loop_.now(), [this] { knock(); });
}

Submission::~Submission() {
    ++*generation_;
    for (const auto timer : {tick_, again_, broken_})
        loop_.cancel(timer);
}

template <typename Handler>
auto Submission::guarded(Handler handler) {
    return [handler = std::move(handler), at = *generation_, generation = generation_](auto&&... values) {
        if (at == *generation) handler(std::forward<decltype(values)>(values)...);
    };
}

void Submission::leave() {
    ++*generation_;
    loop_.cancel(std::exchange(broken_, 0));
    if (!door_ && !links_) return;
    struct Leaving {
        std::unique_ptr<PackageOffer> offer;
        std::unique_ptr<Door> door;
        std::unique_ptr<ClientLinks> links;
    };
    auto leaving =
        std::make_shared<Leaving>(Leaving{std::move(offer_), std::move(door_), std::move(links_)});
    loop_.post([leaving] {});
}

// ---- an attempt: knock, submit, offer, feed, finish

void Submission::knock() {
    again_ = 0;
    phase_ = Phase::knocking;
    const auto step = route_.next(loop_.now());
    if (!step) return end(fail(step.error()));
    again_ = loop_.call_at(step->not_before, [this, door = step->door] {
        again_ = 0;
        knock_at(door);
    });
}

void Submission::knock_at(const Address& door) {
    if (!std::exchange(first_, false)) ++attempt_;
    chunks_.next_attempt();
    connected_ = false;
    absences_ = 0;
    if (terms_.app.batch == 0) terms_.app.batch = state_.batch;  // it took turns, and goes on so without waiting for more slots
    state_ = {};
    door_name_ = door.endpoint.text();
    report();
    auto knocked = world_.knock(door);
    if (!knocked) return lost(knocked.error().message);
    door_ = std::move(*knocked);
    auto links = world_.links({run_, attempt_, terms_.app, door},
                              {.result = guarded([this](Chunk chunk) { take(std::move(chunk)); }),
                               .writable = guarded([this] { feed(); }),
                               .broken = guarded([this](const Error& error) { link_broke(error); })});
    if (!links) return end(fail_in("no links for run " + run_.hex, links.error()));
    links_ = std::move(*links);
    door_->on_message(guarded([this](const wire::Body& body) { message(body); }));
    door_->on_disconnect(guarded([this] { disconnected(); }));
    door_->on_absence(guarded([this] { absent(); }));

    wire::Submit submit{run_, attempt_, ticket_, terms_.app, chunks_.remaining()};
    submit.owner = terms_.owner;
    submit.on_board = terms_.on_board && door == terms_.doors.front();
    moved_away_ |= terms_.on_board && !submit.on_board;
    door_->ask(std::move(submit), terms_.timing.answer,
               guarded([this](Result<wire::Body> answer) { submitted(std::move(answer)); }));
}

void Submission::submitted(Result<wire::Body> answer) {
    heard();
    if (!answer) return refused(answer.error());
    const auto* taken = answer->as<wire::Admitted>();
    if (!taken) return lost(fmt::format("answered SUBMIT with {}", wire::name_of(*answer)));
    if (phase_ == Phase::knocking) admitted(*taken);
}

void Submission::refused(const Error& why) {
    const bool elsewhere = why.fault == Fault::unreachable || why.fault == Fault::timed_out;
    // A first refusal is the cluster's answer. Later ones may come of a board that was cut off from the
    // others.
    if (!elsewhere && (attempt_ == 0 || why.fault != Fault::refused)) return end(fail(why));
    if (!elsewhere) refusal_ = why;
    lost(why.message);
}

void Submission::admitted(const wire::Admitted& admitted) {
    ticket_ = admitted.ticket;
    ++coordinators_;
    if (in_vain_++ == 0) in_vain_since_ = loop_.now();
    farewell_.clear();
    refusal_.reset();
    route_.taken(admitted.members);
    state_.phase = "admitted";
    phase_ = Phase::offering;
    report();
    offer_ = std::make_unique<PackageOffer>(
        loop_, terms_.archives, terms_.timing.offer,
        [this](wire::Body body, Duration deadline, Answer answer) {
            door_->ask(std::move(body), deadline,
                       guarded([this, answer = std::move(answer)](Result<wire::Body> answered) {
                           heard();
                           answer(std::move(answered));
                       }));
        },
        PackageOffer::Events{.done = guarded([this] { offered(); }),
                             .failed = guarded([this](const Error& why) { offer_failed(why); })});
    offer_->want(admitted.missing);
}

void Submission::offered() {
    if (phase_ != Phase::offering) return;  // what was lost later and offered again
    phase_ = Phase::feeding;
    feed();
}

// A node manager whose disk is full is no reason to give up while there are others; but each is tried twice at most.
void Submission::offer_failed(const Error& why) {
    if (phase_ != Phase::offering && phase_ != Phase::feeding) return;
    if (why.fault == Fault::not_found)
        return cancel({why.fault, fmt::format("{}, which app '{}' does not have", why.message, terms_.app.name)});
    const Error said{why.fault, fmt::format("the packages of '{}' at {}: {}", terms_.app.name, door_name_, why.message)};
    // Damaged on the way or on that board's disk, or here: then the next one says the same.
    if (why.fault == Fault::corrupt && std::exchange(found_corrupt_, true)) return cancel(said);
    const bool gone = why.fault == Fault::unreachable || why.fault == Fault::timed_out;
    if (!gone && !offers_refused_.insert(door_name_).second) return cancel(said);
    lost(said.message);
}

void Submission::feed() {
    if (phase_ != Phase::feeding) return;
    if (chunks_.remaining() == 0) return finish();
    if (!connect()) return;
    while (auto chunk = chunks_.next_to_send()) {
        const auto index = chunk->index;
        chunk->trace.assign(terms_.app.positions.size(), {});
        if (!links_->send(*chunk)) return;
        chunks_.sent(index);
        times_.sent(index, loop_.now());
    }
}

bool Submission::connect() {
    if (connected_ || state_.ends.size() != 2) return connected_;
    if (auto connected = links_->connect(state_.ends[0], state_.ends[1], state_.way); !connected) {
        lost(connected.error().message);
        return false;
    }
    return connected_ = true;
}

void Submission::take(Chunk chunk) {
    heard();
    if (phase_ != Phase::feeding && phase_ != Phase::finishing) return;
    const auto index = chunk.index;
    if (!chunks_.result(std::move(chunk))) return;
    in_vain_ = 0;
    times_.arrived(index, loop_.now());
    while (auto result = chunks_.next_result())
        if (events_.result) events_.result(std::move(*result));
    if (phase_ == Phase::feeding && chunks_.remaining() == 0) finish();
}

void Submission::finish() {
    phase_ = Phase::finishing;
    door_->ask(wire::Finish{run_, attempt_}, terms_.timing.finish,
               guarded([this](const Result<wire::Body>& answer) { finished(answer); }));
}

void Submission::finished(const Result<wire::Body>& answer) {
    heard();
    if (phase_ != Phase::finishing) return;
    if (!answer)
        return end(summary("every result is here, but the end of the run was not confirmed: " +
                           answer.error().message));
    if (const auto* state = answer->as<wire::RunState>()) run_state(*state);
    if (phase_ == Phase::finishing)
        end(summary(
            fmt::format("every result is here, but FINISH was answered with {}", wire::name_of(*answer))));
}

// ---- what a coordinator says, and its loss

void Submission::message(const wire::Body& body) {
    heard();
    if (const auto* state = body.as<wire::RunState>()) run_state(*state);
}

void Submission::run_state(const wire::RunState& state) {
    if (state.run != run_ || state.epoch.attempt != attempt_ || phase_ == Phase::ended) return;
    state_ = state;
    if (phase_ != Phase::knocking) route_.members(state.members);
    if (offer_ && (phase_ == Phase::offering || phase_ == Phase::feeding) && !state.missing.empty())
        offer_->want(state.missing);
    report();
    if (state.phase == "placed" || state.phase == "wired" || state.phase == "running") times_.placed(loop_.now());
    const bool complete = chunks_.remaining() == 0;
    const Error why{state.fault ? static_cast<Fault>(state.fault) : Fault::failed,
                    state.reason.empty() ? "the run " + state.phase + " without a reason" : state.reason};
    if (state.phase == "done" && complete) {
        end(summary(""));
    } else if (state.phase == "done" || state.phase == "lost") {
        if (state.phase == "lost") {
            farewell_ = why.message;
            farewell_at_ = loop_.now();
        }
        lost(state.phase == "lost" ? why.message
                                   : fmt::format("said that the run is done while {} results are missing",
                                                 chunks_.remaining()));
    } else if (state.phase == "failed" || state.phase == "cancelled") {
        if (phase_ == Phase::cancelling) return end(fail(why_cancelled_));
        if (complete) return end(summary(why.message));
        end(fail(state.phase == "failed" ? why : Error{Fault::cancelled, why.message}));
    } else if (phase_ == Phase::offering || phase_ == Phase::feeding || phase_ == Phase::finishing) {
        if (phase_ == Phase::offering && state.phase == "running") phase_ = Phase::feeding;  // its boards have what they need
        if (connect()) feed();
    }
}

// A link whose connection broke has lost chunks, or may have, however soon libzmq connects again. The coordinator may
// have closed it because the run has ended: then it says so at once.
void Submission::link_broke(const Error& why) {
    if (why.fault != Fault::unreachable) return lost(why.message);
    if (broken_ || (phase_ != Phase::offering && phase_ != Phase::feeding)) return;
    broken_ = loop_.call_after(terms_.timing.link_broken, [this, why, since = loop_.now()] {
        broken_ = 0;
        if (phase_ == Phase::offering || phase_ == Phase::feeding || heard_ <= since) lost(why.message);
    });
}

// Asks for a sign of life: the connection may come back at once, and then nothing was lost.
void Submission::disconnected() {
    if (phase_ == Phase::ended || broken_) return;
    const auto since = loop_.now();
    door_->ask(wire::Query{}, terms_.timing.broken, guarded([this](const Result<wire::Body>& answer) {
                   if (answer) heard();
                   // It is there, and lets us in no more.
                   if (!answer && answer.error().fault == Fault::refused) end(fail(answer.error()));
               }));
    broken_ = loop_.call_at(since + terms_.timing.broken, [this, since] {
        broken_ = 0;
        if (heard_ <= since) lost("the connection broke");
    });
}

// Where nobody listens, nobody takes the run: others may. Once is no sign of it: so many may knock that one finds no room.
void Submission::absent() {
    constexpr int sure = 3;
    if (phase_ == Phase::knocking && ++absences_ >= sure) lost("nobody listens there", true);
}

// The coordinator said that it was stopped, and so were all the others.
bool Submission::was_taken_down() const {
    return !farewell_.empty() && route_.all_absent() && loop_.now() - farewell_at_ >= terms_.timing.taken_down;
}

bool Submission::goes_round() const {
    return in_vain_ >= terms_.timing.takings_in_vain && loop_.now() - in_vain_since_ >= terms_.timing.in_vain;
}

void Submission::lost(const std::string& why, bool absent) {
    earlier_replays_ += state_.replays;
    earlier_duplicates_ += state_.duplicates;
    earlier_reloads_ += state_.reloads;
    state_ = {};
    leave();
    if (phase_ == Phase::cancelling) return end(fail(why_cancelled_));
    if (chunks_.remaining() == 0 && chunks_.size() > 0)
        return end(
            summary("every result is here, but its coordinator was lost before the end of the run: " + why));
    route_.lost(why, loop_.now(), absent);
    if (goes_round())
        return end(fail(Fault::failed, "{} coordinators took the run without a new result; the last one, at {}: {}", in_vain_, door_name_, why));
    if (was_taken_down())
        return end(fail(Fault::unreachable, "the cluster was taken down: {}, and nobody listens any more at {}", farewell_, route_.doors_text()));
    if (refusal_ && route_.round_over()) return end(fail(*refusal_));
    knock();
}

void Submission::tick() {
    const auto now = loop_.now();
    const bool slept =
        now - next_tick_ > terms_.timing.silence / 2;  // this process, not the coordinator, was away
    next_tick_ = now + terms_.timing.alive;
    for (const auto sooner : {terms_.deadline, heard_ + terms_.timing.silence})
        if (sooner > now) next_tick_ = std::min(next_tick_, sooner);
    tick_ = loop_.call_at(next_tick_, [this] { tick(); });
    if (now >= terms_.deadline && phase_ != Phase::cancelling)
        return cancel(
            {Fault::timed_out,
             fmt::format("the run did not end within its deadline ({} of {} results{}{})", chunks_.results(), chunks_.size(),
                         state_.reason.empty() ? "" : "; ", state_.reason)});
    if (phase_ == Phase::knocking || !door_) return;
    if (slept) heard();
    if (now - heard_ >= terms_.timing.silence)
        return lost(fmt::format("silent for {:.1f} s", std::chrono::duration<double>(now - heard_).count()));
    door_->tell(wire::ClientAlive{run_, attempt_});
}

// ---- the end

void Submission::cancel(Error why) {
    if (phase_ == Phase::ended || phase_ == Phase::cancelling) return;
    why_cancelled_ = std::move(why);
    loop_.cancel(std::exchange(again_, 0));
    if (!door_) return end(fail(why_cancelled_));
    phase_ = Phase::cancelling;
    heard();
    door_->ask(wire::Cancel{run_}, terms_.timing.cancel, guarded([this](const Result<wire::Body>&) {
                   if (phase_ == Phase::cancelling) end(fail(why_cancelled_));
               }));
}

void Submission::end(Result<RunSummary> outcome) {
    if (phase_ == Phase::ended) return;
    phase_ = Phase::ended;
    for (auto* timer : {&tick_, &again_, &broken_})
        loop_.cancel(std::exchange(*timer, 0));
    leave();
    const bool some = chunks_.results() > 0 && chunks_.remaining() > 0;
    if (!outcome && some && outcome.error().fault != Fault::timed_out) {
        auto& message = outcome.error().message;  // a job's last words have lines
        message += fmt::format("{}{} of {} results had come", message.find('\n') == std::string::npos ? "; " : "\n", chunks_.results(), chunks_.size());
    }
    if (events_.ended) events_.ended(std::move(outcome));
}

void Submission::report() {
    if (!events_.progress) return;
    events_.progress({run_, phase_ == Phase::knocking ? "submitting" : state_.phase, state_.reason,
                      chunks_.size(), chunks_.results(), attempt_, ticket_});
}

RunSummary Submission::summary(const std::string& note) const {
    RunSummary summary;
    summary.app = terms_.app.name;
    summary.run = run_;
    summary.chunks_in = chunks_.size();
    times_.fill(summary, loop_.now());
    summary.stages = state_.jobs;
    summary.replays = earlier_replays_ + state_.replays + chunks_.replays();
    summary.duplicates_dropped = earlier_duplicates_ + state_.duplicates + chunks_.duplicates();
    summary.reloads = earlier_reloads_ + state_.reloads;
    summary.batch = state_.batch;
    summary.turns = state_.turns;
    summary.attempts = std::max(1u, coordinators_);
    summary.note = note;
    if (moved_away_)
        summary.note += fmt::format("{}another board than this client's took the run, which was apart from it then", note.empty() ? "" : "; ");
    return summary;
}

}  // namespace fard

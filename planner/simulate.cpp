#include "planner/simulate.hpp"

#include <algorithm>
#include <deque>
#include <queue>

namespace fard::planner {
namespace {

constexpr std::size_t none = ~std::size_t{0};
constexpr std::size_t most_handed = 2;  // as of a coordinator that a client shares its board with

struct Event {
    enum class What { sent, first_byte, received, taken, loaded, done, wake, input };
    double at = 0;
    std::uint64_t order = 0;  // of two at one time the one that was asked for first
    What what = What::wake;
    std::size_t number = 0;   // of the message, the seat or the slot
    std::size_t chunk = 0;
    friend bool operator>(const Event& a, const Event& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; }
};

// A chunk, or a part's piece of it, on its way to a seat.
struct Message {
    std::size_t chunk = 0, seat = 0, from = 0, to = 0;
    std::uint64_t bytes = 0;
    double first_s = -1;  // sent ahead: when its first byte could be there; it comes in when the last one can
};

// A seat of a position; also the source and the sink, which are stations of their own at both ends.
struct SeatState {
    std::size_t station = 0, number = 0;  // which of its station's
    std::size_t place = 0, slot = none;
    std::size_t room = 0, used = 0;
    std::size_t started = 0;
    std::size_t finished = 0;             // of its chunks in order: how many are computed, with none before them missing
    std::vector<bool> computed;           // by place in that order
    std::size_t sending = 0;              // computed or to be computed, and not yet sent
    std::deque<std::size_t> waiting, out;  // chunks, ascending
    std::vector<std::uint16_t> pieces;    // by chunk: how many have come
};

struct Station {
    std::vector<std::size_t> seats;
    Position::On on = Position::On::relay;
    double interval_s = 0, latency_s = 0;
    std::uint64_t bytes = 0;  // of a chunk into it
    std::vector<std::uint64_t> parts;
    Staging staging = Staging::next;
    std::vector<std::size_t> target;  // by chunk: the seat that gets it
    std::vector<std::size_t> order;   // chunks as they were let in
};

struct SlotState {
    std::size_t place = 0, number = 0;
    double reload_s = 0;
    std::vector<std::size_t> order;  // seats; one for a slot of its own
    bool shared = false;
    std::size_t turn = 0;            // counted over all rounds
    std::vector<std::size_t> turns_had;  // by place in seats_of_slot: how many of a seat began
    std::size_t seat = none, first = 0, left = 0;  // the turn that is on: whose, its chunks
    bool reserved = false;
    std::optional<std::size_t> loaded;  // a seat: of replicas, which have one overlay, the first
    bool loading = false;
    double next_start = 0, drained = 0, wake_at = -1;
};

struct Server {  // a processor or a way: one thing at a time, in the order of requests
    double free_at = 0, busy = 0;
    // When it is done with a request of now that cannot be done before `earliest`.
    double serve(double now, double seconds, double earliest = 0) {
        free_at = std::max(std::max(now, free_at) + seconds, earliest);
        busy += seconds;
        return free_at;
    }
};

class Simulation {
  public:
    Simulation(const Pipeline& pipeline, const Schedule& schedule, const Run& run)
        : pipeline_(pipeline), schedule_(schedule), run_(run), batched_(!schedule.turns.empty()) {
        build();
    }

    Result<Simulated> go() {
        for (std::size_t i = 0; i < slots_.size(); ++i)
            advance(i);
        if (run_.every_s > 0)
            for (std::size_t i = 1; i < run_.chunks; ++i)
                at(static_cast<double>(i) * run_.every_s, Event::What::input, 0, i);
        pump(stations_.front().seats.front());
        while (!events_.empty() && delivered_ < run_.chunks) {
            const auto event = events_.top();
            events_.pop();
            now_ = event.at;
            handle(event);
        }
        if (delivered_ < run_.chunks) return stands_still();
        return finished();
    }

  private:
    // Everything at its beginning.

    void build() {
        const auto places = pipeline_.places.size();
        processors_.resize(places);
        ways_in_.resize(places);
        ways_out_.resize(places);
        ports_.resize(places);
        result_.busy.resize(places);
        for (std::size_t i = 0; i < places; ++i)
            result_.busy[i].fabric.resize(pipeline_.places[i].slots);
        stations_.resize(pipeline_.positions.size() + 2);
        add_seat(0, pipeline_.input_at, run_.chunks);
        for (std::size_t i = 0; i < pipeline_.positions.size(); ++i)
            add_position(i);
        add_seat(stations_.size() - 1, pipeline_.output_at, none);
        stations_.back().bytes = pipeline_.bytes_out;
        for (std::size_t i = 0; i < slots_.size(); ++i)
            order_turns(slots_[i]);
        for (auto& station : stations_)
            station.target.assign(run_.chunks, none);
        auto& source = seats_[stations_.front().seats.front()];
        for (std::size_t i = 0; i < run_.chunks; ++i)
            source.out.push_back(i);
        source.sending = run_.chunks;
        if (run_.ahead_bytes > 0 && pipeline_.input_at + 1 == places)
            ahead_ = std::max<std::size_t>(2, static_cast<std::size_t>(run_.ahead_bytes / std::max<std::uint64_t>(1, pipeline_.bytes_into(0))));
        left_s_.assign(ahead_ > 0 ? run_.chunks : 0, 0);
        result_.delivered_s.assign(run_.chunks, -1);
        result_.latency_s.assign(run_.chunks, 0);
    }

    std::size_t add_seat(std::size_t station, std::size_t place, std::size_t room) {
        SeatState seat{.station = station, .number = stations_[station].seats.size(), .place = place};
        seat.room = room;
        stations_[station].seats.push_back(seats_.size());
        seats_.push_back(std::move(seat));
        return seats_.size() - 1;
    }

    void add_position(std::size_t number) {
        const auto& position = pipeline_.positions[number];
        const auto& placed = schedule_.positions[number];
        auto& station = stations_[number + 1];
        station.on = position.on;
        station.interval_s = position.interval_s;
        station.latency_s = position.latency_s;
        station.bytes = position.bytes_in;
        station.parts = position.parts;
        station.staging = placed.staging;
        for (const auto& seat : placed.seats) {
            const auto added = add_seat(number + 1, seat.board, placed.room);
            if (position.on != Position::On::relay) seats_[added].slot = slot_of(seat);
        }
    }

    std::size_t slot_of(const Seat& seat) {
        for (std::size_t i = 0; i < slots_.size(); ++i)
            if (slots_[i].place == seat.board && slots_[i].number == seat.slot) return i;
        SlotState slot{.place = seat.board, .number = seat.slot};
        slot.reload_s = pipeline_.places[seat.board].reload_s;
        slots_.push_back(std::move(slot));
        return slots_.size() - 1;
    }

    void order_turns(SlotState& slot) {
        const auto number = static_cast<std::size_t>(&slot - slots_.data());
        const auto seats_at = [&](std::size_t station) {
            std::vector<std::size_t> seats;
            std::ranges::copy_if(stations_[station].seats, std::back_inserter(seats), [&](std::size_t seat) { return seats_[seat].slot == number; });
            return seats;
        };
        if (const auto held = run_.held_by({slot.place, slot.number})) {
            const auto& seats = stations_[held->position + 1].seats;
            slot.loaded = overlay_of(seats[std::min(held->part, seats.size() - 1)]);
        }
        const auto* turns = schedule_.turns_on({slot.place, slot.number});
        slot.shared = turns != nullptr;
        std::vector<std::size_t> named(stations_.size());
        if (turns)
            for (const auto position : turns->order) {
                const auto seats = seats_at(position + 1);
                slot.order.push_back(seats[named[position + 1]++ % seats.size()]);
            }
        else
            for (std::size_t seat = 0; seat < seats_.size(); ++seat)
                if (seats_[seat].slot == number) slot.order.push_back(seat);
        slot.turns_had.assign(seats_.size(), 0);
        if (!slot.shared) slot.seat = slot.order.front();
    }

    // The seat that stands for the overlay that a seat needs.
    std::size_t overlay_of(std::size_t seat) const {
        const auto& station = stations_[seats_[seat].station];
        return station.parts.empty() ? station.seats.front() : seat;
    }
    bool is_loaded(const SlotState& slot, std::size_t seat) const { return slot.loaded == overlay_of(seat); }

    // Time.

    void at(double time, Event::What what, std::size_t number, std::size_t chunk) {
        events_.push({time, order_++, what, number, chunk});
    }

    void handle(const Event& event) {
        switch (event.what) {
            case Event::What::sent: return handed_on(event.number);
            case Event::What::first_byte: return come_in(event.number);
            case Event::What::received: {
                const auto& message = messages_[event.number];
                const auto& place = pipeline_.places[message.to];
                return at(processors_[message.to].serve(now_, host_s(place, message.bytes)), Event::What::taken, event.number, 0);
            }
            case Event::What::taken: return taken(event.number);
            case Event::What::loaded: {
                auto& slot = slots_[event.number];
                slot.loading = false;
                slot.loaded = overlay_of(slot.seat);
                slot.next_start = now_;
                if (run_.together) pump_before(seats_[slot.seat].station);
                return slot.loading || slot.seat == none ? void() : begin(event.number);
            }
            case Event::What::done: return done(event.number, event.chunk);
            case Event::What::wake: return advance(event.number);
            case Event::What::input: return pump(stations_.front().seats.front());
        }
    }

    // From one place to another.

    void go_on(std::size_t number) {
        auto& message = messages_[number];
        message.from = message.to;
        message.to = pipeline_.next_stop(message.from, seats_[message.seat].place);
        message.first_s = -1;
        at(processors_[message.from].serve(now_, host_s(pipeline_.places[message.from], message.bytes)), Event::What::sent, number, 0);
    }

    bool is_client(std::size_t place) const { return place + pipeline_.client_places >= pipeline_.places.size(); }

    void send(std::size_t chunk, const SeatState& from, std::size_t seat, std::uint64_t bytes) {
        messages_.push_back({chunk, seat, from.place, pipeline_.next_stop(from.place, seats_[seat].place), bytes});
        const auto number = messages_.size() - 1;
        ++flying_;
        if (from.place == seats_[seat].place) return at(now_, Event::What::taken, number, 0);
        if (run_.one_request && is_client(from.place)) asked_ = true;
        handing_ += is_from_source(number) ? 1 : 0;
        at(processors_[from.place].serve(now_, host_s(pipeline_.places[from.place], bytes)), Event::What::sent, number, 0);
    }

    // From a board: what it takes its processor to send is not before all results of a window.
    bool is_from_source(std::size_t number) const {
        const auto& message = messages_[number];
        return seats_[message.seat].station == 1 && pipeline_.input_at + 1 < pipeline_.places.size();
    }

    void handed_on(std::size_t number) {
        leave(number);
        if (!is_from_source(number)) return;
        --handing_;
        pump(stations_.front().seats.front());
    }

    // The client's own way, for as many chunks as it may send before they can go on.
    void send_ahead() {
        const auto from = pipeline_.input_at;
        const auto& place = pipeline_.places[from];
        const auto bytes = stations_[1].bytes;
        for (; sent_ahead_ < std::min(run_.chunks, forwarded_ + ahead_); ++sent_ahead_) {
            if (now_ < static_cast<double>(sent_ahead_) * run_.every_s) return;
            left_s_[sent_ahead_] = ways_out_[from].serve(processors_[from].serve(now_, host_s(place, bytes)), splitter::wire_s(place.way, bytes));
        }
    }

    // What the client has sent already goes on to a seat.
    void forward(std::size_t chunk, std::size_t seat) {
        const auto to = pipeline_.next_stop(pipeline_.input_at, seats_[seat].place);
        const auto &out = pipeline_.places[pipeline_.input_at].way, &in = pipeline_.places[to].way;
        const auto latency = out.latency_s + in.latency_s, left = left_s_[chunk], began = left - splitter::wire_s(out, stations_[1].bytes);
        messages_.push_back({chunk, seat, pipeline_.input_at, to, stations_[1].bytes, began + latency});
        ++flying_;
        span(Span::What::send, pipeline_.input_at, 0, messages_.back(), began, left);
        at(std::max(now_, left) + latency, Event::What::first_byte, messages_.size() - 1, 0);
    }

    void leave(std::size_t number) {
        const auto& message = messages_[number];
        const auto &out = pipeline_.places[message.from].way, &in = pipeline_.places[message.to].way;
        const auto takes = splitter::wire_s(out, message.bytes);
        const auto end = ways_out_[message.from].serve(now_, takes);
        span(Span::What::send, message.from, 0, message, end - takes, end);
        // When it would begin at its own rate, so that its last byte is not before the sender's.
        const auto ahead = std::max(takes, splitter::wire_s(in, message.bytes)) - splitter::wire_s(in, message.bytes);
        at(end - takes + out.latency_s + in.latency_s + ahead, Event::What::first_byte, number, 0);
    }

    void come_in(std::size_t number) {
        const auto& message = messages_[number];
        const auto takes = splitter::wire_s(pipeline_.places[message.to].way, message.bytes);
        const auto begin = message.first_s < 0 ? now_ : std::max(message.first_s, now_ - takes);
        const auto end = ways_in_[message.to].serve(begin, takes, now_);
        span(Span::What::receive, message.to, 0, message, end - takes, end);
        at(end, Event::What::received, number, 0);
    }

    void taken(std::size_t number) {
        const auto message = messages_[number];
        if (message.to != seats_[message.seat].place) return go_on(number);
        --flying_;
        if (is_client(message.to) && !is_client(message.from)) asked_ = false;
        arrive(message.chunk, message.seat);
        if (run_.one_request && !asked_) ask_again();
        if (run_.together && flying_ == 0)
            for (std::size_t i = 0; i < slots_.size(); ++i)
                advance(i);
    }

    // The client may send again: what has come farthest, first.
    void ask_again() {
        for (std::size_t station = stations_.size() - 1; station-- > 0;)
            for (const auto seat : stations_[station].seats)
                if (!asked_) pump(seat);
    }

    void arrive(std::size_t chunk, std::size_t number) {
        auto& seat = seats_[number];
        const auto pieces = std::max<std::size_t>(1, stations_[seat.station - 1].parts.size());
        if (pieces > 1) {
            seat.pieces.resize(run_.chunks);
            if (++seat.pieces[chunk] < pieces) return;
        }
        if (seat.station + 1 == stations_.size()) return deliver(chunk);
        if (seat.slot == none) {
            ++seat.sending;
            return computed(number, chunk);
        }
        insert(seat.waiting, chunk);
        advance(seat.slot);
    }

    static void insert(std::deque<std::size_t>& chunks, std::size_t chunk) {
        chunks.insert(std::ranges::upper_bound(chunks, chunk), chunk);
    }

    void deliver(std::size_t chunk) {
        result_.delivered_s[chunk] = now_;
        const auto before = delivered_;
        while (delivered_ < run_.chunks && result_.delivered_s[delivered_] >= 0) {
            result_.delivered_s[delivered_] = now_;
            result_.latency_s[delivered_] = now_ - result_.latency_s[delivered_];
            ++delivered_;
        }
        if (delivered_ != before) pump(stations_.front().seats.front());
    }

    // Sends what a seat has, as far as those behind it have room.
    void pump(std::size_t number) {
        auto& seat = seats_[number];
        const bool source = seat.station == 0;
        if (source && ahead_ > 0) send_ahead();
        for (std::size_t i = 0; i < seat.out.size();) {
            const auto chunk = seat.out[i];
            if (source && handing_ >= most_handed) return;
            if (source && (chunk >= delivered_ + schedule_.window || now_ < static_cast<double>(chunk) * run_.every_s)) return;
            if (!send_on(chunk, seat)) {
                if (source || !batched_) return;
                ++i;
                continue;
            }
            if (source) result_.latency_s[chunk] = ahead_ > 0 ? sent_at(chunk) : now_;
            seat.out.erase(seat.out.begin() + static_cast<std::ptrdiff_t>(i));
            --seat.sending;
        }
        if (seat.slot != none) advance(seat.slot);  // there is room for more results
    }

    // A chunk that waited on its way was sent when the client's way was free for it.
    double sent_at(std::size_t chunk) const {
        const auto takes = splitter::wire_s(pipeline_.places[pipeline_.input_at].way, stations_[1].bytes);
        return std::min(now_, left_s_[chunk] - takes);
    }

    bool send_on(std::size_t chunk, const SeatState& seat) {
        auto& next = stations_[seat.station + 1];
        const auto bytes = stations_[seat.station].parts.empty() ? next.bytes : stations_[seat.station].parts[seat.number];
        if (next.target[chunk] == none && !choose(chunk, seat.station + 1)) return false;
        if (seat.station == 0 && ahead_ > 0) {
            for (const auto to : next.parts.empty() ? std::vector{next.target[chunk]} : next.seats)
                forward(chunk, to);
            ++forwarded_;
            send_ahead();
            return true;
        }
        if (next.parts.empty()) {
            const auto to = next.target[chunk];
            if (run_.one_request && asked_ && is_client(seat.place) && !is_client(seats_[to].place)) return false;
            send(chunk, seat, to, bytes);
        } else {
            for (const auto to : next.seats)
                send(chunk, seat, to, bytes);
        }
        return true;
    }

    // Who gets a chunk; and its room is taken.
    bool choose(std::size_t chunk, std::size_t number) {
        auto& station = stations_[number];
        std::size_t chosen = station.seats.front();
        if (batched_) chosen = station.seats[chunk / schedule_.batch % station.seats.size()];
        else if (station.parts.empty())
            for (const auto seat : station.seats)
                if (seats_[seat].used < seats_[chosen].used) chosen = seat;
        const auto all = station.parts.empty() ? std::vector{chosen} : station.seats;
        for (const auto seat : all)
            if (!has_room(seats_[seat], chunk) || !turn_allows(seat, chunk)) return false;
        for (const auto seat : all)
            ++seats_[seat].used;
        station.target[chunk] = chosen;
        if (!station.parts.empty()) station.order.push_back(chunk);
        return true;
    }

    // Without turns a seat has so much room for whatever comes first. With turns room is for the next chunks in their order, or
    // a later batch could take what an earlier one needs to get on.
    bool has_room(const SeatState& seat, std::size_t chunk) const {
        if (!batched_ || seat.station + 1 == stations_.size()) return seat.used < seat.room;
        return place_of(seat, chunk) < seat.finished + seat.room;
    }

    // Of a seat's chunks in order, the how manieth.
    std::size_t place_of(const SeatState& seat, std::size_t chunk) const {
        const auto& station = stations_[seat.station];
        if (!station.parts.empty()) return chunk;
        return chunk / schedule_.batch / station.seats.size() * schedule_.batch + chunk % schedule_.batch;
    }

    void finish(SeatState& seat, std::size_t chunk) {
        --seat.used;
        if (!batched_) return;
        const auto place = place_of(seat, chunk);
        if (seat.computed.size() <= place) seat.computed.resize(place + 1);
        seat.computed[place] = true;
        while (seat.finished < seat.computed.size() && seat.computed[seat.finished])
            ++seat.finished;
    }

    // Chunks that are staged on the board before come when the turn is on.
    bool turn_allows(std::size_t number, std::size_t chunk) const {
        const auto& seat = seats_[number];
        if (stations_[seat.station].staging == Staging::next || seat.slot == none) return true;
        const auto& slot = slots_[seat.slot];
        if (run_.together && !is_loaded(slot, number)) return false;
        return !slot.shared || (slot.seat == number && chunk >= slot.first && chunk < slot.first + schedule_.batch);
    }

    // Turns.

    void advance(std::size_t number) {
        auto& slot = slots_[number];
        if (slot.loading) return;
        if (slot.shared && slot.seat == none) {
            if (!next_turn(slot)) return;
            pump_before(seats_[slot.seat].station);  // what waited for the turn
            if (slot.seat == none || slot.loading) return;  // that went on already
        }
        if (!is_loaded(slot, slot.seat) && stations_[seats_[slot.seat].station].on == Position::On::fabric)
            return load(number);
        begin(number);
    }

    bool next_turn(SlotState& slot) {
        if (run_.together && !all_at_rest(slot)) return false;
        for (std::size_t skipped = 0; skipped < slot.order.size(); ++skipped) {
            const auto seat = slot.order[slot.turn % slot.order.size()];
            const auto& station = stations_[seats_[seat].station];
            const auto step = station.parts.empty() ? station.seats.size() : 1;
            const auto offset = station.parts.empty() ? seats_[seat].number : 0;
            slot.first = (offset + slot.turns_had[seat] * step) * schedule_.batch;
            ++slot.turn;
            ++slot.turns_had[seat];
            if (slot.first >= run_.chunks) continue;
            slot.left = std::min(schedule_.batch, run_.chunks - slot.first);
            slot.seat = seat;
            slot.reserved = false;
            return true;
        }
        return false;
    }

    bool all_at_rest(const SlotState& mine) const {
        return flying_ == 0 && std::ranges::all_of(slots_, [&](const SlotState& slot) {
                   return !slot.shared || (slot.seat == none ? slot.turn >= mine.turn : slot.turn > mine.turn);
               });
    }

    void load(std::size_t number) {
        auto& slot = slots_[number];
        if (now_ < slot.drained) return wake(number, slot.drained);
        slot.loading = true;
        slot.loaded.reset();
        ++result_.reloads;
        result_.busy[slot.place].reload += slot.reload_s;
        const auto position = seats_[slot.seat].station - 1;
        const auto end = ports_[slot.place].serve(now_, slot.reload_s);  // all slots of a board are loaded through one
        if (run_.spans) result_.spans.push_back({Span::What::load, slot.place, slot.number, position, 0, end - slot.reload_s, end});
        at(end, Event::What::loaded, number, 0);
        pump_before(seats_[slot.seat].station);
    }

    void wake(std::size_t number, double time) {
        if (slots_[number].wake_at == time) return;
        slots_[number].wake_at = time;
        at(time, Event::What::wake, number, 0);
    }

    void pump_before(std::size_t station) {
        for (const auto seat : stations_[station - 1].seats)
            if (!seats_[seat].out.empty()) pump(seat);
    }

    // The turn is on, and what it needs is loaded.
    void begin(std::size_t number) {
        auto& slot = slots_[number];
        if (slot.shared && !slot.reserved) {
            slot.reserved = reserve(slot);
            if (!slot.reserved) return;
        }
        start_chunks(number);
    }

    // Whether there is room for all of the turn's results.
    bool reserve(const SlotState& slot) const {
        const auto& seat = seats_[slot.seat];
        const auto& next = stations_[seat.station + 1];
        const auto end = std::min(slot.first + schedule_.batch, run_.chunks);
        if (seat.station + 2 == stations_.size()) return true;
        if (next.staging == Staging::here)
            return seat.sending + (end - slot.first) <= std::max(schedule_.batch, seats_[next.seats.front()].room);
        const auto chosen = next.seats[slot.first / schedule_.batch % next.seats.size()];
        const auto all = next.parts.empty() ? std::vector{chosen} : next.seats;
        return std::ranges::all_of(all, [&](std::size_t to) { return has_room(seats_[to], end - 1); });
    }

    // Which of the waiting chunks a seat may compute; none yet. Parts take chunks in one order, and with turns all seats in theirs: a
    // seat whose results must wait for those of earlier chunks would else keep these from being computed.
    std::optional<std::size_t> next_chunk(const SeatState& seat) const {
        if (seat.waiting.empty()) return std::nullopt;
        const auto& station = stations_[seat.station];
        const auto front = seat.waiting.front();
        if (batched_) return place_of(seat, front) == seat.started ? std::optional(front) : std::nullopt;
        if (station.parts.empty()) return front;
        const auto wanted = station.order[seat.started];
        return std::ranges::binary_search(seat.waiting, wanted) ? std::optional(wanted) : std::nullopt;
    }

    void start_chunks(std::size_t number) {
        auto& slot = slots_[number];
        while (slot.seat != none) {
            auto& seat = seats_[slot.seat];
            const auto& station = stations_[seat.station];
            if (!is_loaded(slot, slot.seat) && station.on == Position::On::fabric) return advance(number);
            const auto next = next_chunk(seat);
            if (!next) return;
            const auto chunk = *next;
            if (slot.shared && (!slot.reserved || chunk < slot.first || chunk >= slot.first + schedule_.batch)) return;
            if (now_ < slot.next_start) return wake(number, slot.next_start);
            if (!slot.shared && seat.sending >= results_at(seat)) return;
            seat.waiting.erase(std::ranges::lower_bound(seat.waiting, chunk));
            ++seat.started;
            ++seat.sending;
            compute(slot, chunk);
            if (slot.shared && --slot.left == 0) end_turn(number);
        }
    }

    // How many results a seat may have that are not sent: as many as there is room for behind it.
    std::size_t results_at(const SeatState& seat) const {
        if (seat.station + 2 == stations_.size()) return none;
        return seats_[stations_[seat.station + 1].seats.front()].room;
    }

    void compute(SlotState& slot, std::size_t chunk) {
        const auto number = slot.seat;
        const auto& seat = seats_[number];
        const auto& station = stations_[seat.station];
        ++flying_;
        if (station.on == Position::On::processor) {
            const auto end = processors_[seat.place].serve(now_, station.interval_s);
            result_.busy[seat.place].processor_compute += station.interval_s;
            slot.next_start = slot.drained = end;
            span_of(seat, slot, chunk, end - station.interval_s, end);
            return at(end, Event::What::done, number, chunk);
        }
        result_.busy[seat.place].fabric[slot.number] += station.interval_s;
        slot.next_start = now_ + station.interval_s;
        slot.drained = now_ + station.latency_s;
        span_of(seat, slot, chunk, now_, now_ + station.interval_s);
        at(slot.drained, Event::What::done, number, chunk);
    }

    void end_turn(std::size_t number) {
        auto& slot = slots_[number];
        slot.seat = none;
        if (run_.together) return wake(number, slot.drained);
        advance(number);
    }

    void done(std::size_t number, std::size_t chunk) {
        --flying_;
        finish(seats_[number], chunk);
        computed(number, chunk);
        pump_before(seats_[number].station);
        for (const auto before : stations_[seats_[number].station - 1].seats)  // what waits for room to reserve
            if (seats_[before].slot != none) advance(seats_[before].slot);
        if (run_.together)
            for (std::size_t i = 0; i < slots_.size(); ++i)
                advance(i);
    }

    void computed(std::size_t number, std::size_t chunk) {
        if (seats_[number].slot == none) finish(seats_[number], chunk);
        insert(seats_[number].out, chunk);
        pump(number);
    }

    // Reports.

    void span(Span::What what, std::size_t place, std::size_t slot, const Message& message, double begin, double end) {
        if (!run_.spans || end <= begin) return;
        // What is received is the position's that gets it, what is sent that of the one it comes from.
        const auto station = seats_[message.seat].station;
        const auto position = what == Span::What::receive ? station - 1 : std::max<std::size_t>(station, 2) - 2;
        result_.spans.push_back({what, place, slot, position, message.chunk, begin, end});
    }

    void span_of(const SeatState& seat, const SlotState& slot, std::size_t chunk, double begin, double end) {
        if (run_.spans) result_.spans.push_back({Span::What::compute, seat.place, slot.number, seat.station - 1, chunk, begin, end});
    }

    Result<Simulated> finished() {
        for (std::size_t i = 0; i < pipeline_.places.size(); ++i) {
            result_.busy[i].processor = processors_[i].busy;
            result_.busy[i].way_in = ways_in_[i].busy;
            result_.busy[i].way_out = ways_out_[i].busy;
        }
        return std::move(result_);
    }

    tl::unexpected<Error> stands_still() const {
        std::string what;
        for (const auto& slot : slots_)
            if (slot.seat != none && slot.shared)
                what += fmt::format("{}position {} on {}", what.empty() ? "" : ", ", seats_[slot.seat].station - 1, pipeline_.places[slot.place].name);
        return fail(Fault::refused, "the schedule stands still after {} of {} chunks; turns that are on: {}", delivered_, run_.chunks,
                    what.empty() ? "none" : what);
    }

    const Pipeline& pipeline_;
    const Schedule& schedule_;
    const Run& run_;
    const bool batched_;
    double now_ = 0;
    std::uint64_t order_ = 0;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
    std::vector<Message> messages_;
    std::vector<SeatState> seats_;
    std::vector<Station> stations_;
    std::vector<SlotState> slots_;
    std::vector<Server> processors_, ways_in_, ways_out_, ports_;
    std::size_t delivered_ = 0, flying_ = 0;  // chunks that are computed or on their way
    std::size_t handing_ = 0;  // messages from a board where chunks come from that wait for its processor
    std::size_t ahead_ = 0, sent_ahead_ = 0, forwarded_ = 0;  // how many may be sent ahead, how many were, and went on
    std::vector<double> left_s_;                              // by chunk sent ahead: when it has left the client
    bool asked_ = false;
    Simulated result_;
};

Result<> fits(const Pipeline& pipeline, const Schedule& schedule, const Run& run) {
    if (auto r = check(schedule); !r) return r;
    if (schedule.positions.size() != pipeline.positions.size() || run.chunks < 1)
        return fail(Fault::invalid_input, "a schedule of {} positions for a pipeline of {}, and {} chunks", schedule.positions.size(),
                    pipeline.positions.size(), run.chunks);
    for (std::size_t i = 0; i < schedule.positions.size(); ++i) {
        const auto& parts = pipeline.positions[i].parts;
        if (!parts.empty() && parts.size() != schedule.positions[i].seats.size())
            return fail(Fault::invalid_input, "position {} has {} parts and {} seats", i, parts.size(), schedule.positions[i].seats.size());
        if (parts.empty())
            if (auto r = check_replicas(schedule, i); !r) return r;
        for (const auto& seat : schedule.positions[i].seats)
            if (seat.board >= pipeline.places.size() ||
                (seat.slot >= pipeline.places[seat.board].slots && pipeline.positions[i].on != Position::On::relay))
                return fail(Fault::invalid_input, "position {} is on board {}, slot {}, which is not there", i, seat.board, seat.slot);
    }
    return {};
}

}  // namespace

std::optional<double> Simulated::steady_per_s() const {
    const auto seconds = delivered_s.back() - delivered_s.front();
    if (delivered_s.size() < 2 || !(seconds > 0)) return std::nullopt;
    return static_cast<double>(delivered_s.size() - 1) / seconds;
}

Result<Simulated> simulate(const Pipeline& pipeline, const Schedule& schedule, const Run& run) {
    if (auto r = fits(pipeline, schedule, run); !r) return fail(r.error());
    return Simulation(pipeline, schedule, run).go();
}

std::optional<double> energy_j(const Pipeline& pipeline, const Simulated& simulated) {
    double joules = 0;
    for (std::size_t i = 0; i < pipeline.places.size(); ++i) {
        const auto& power = pipeline.places[i].power;
        if (!power) return std::nullopt;
        const auto& busy = simulated.busy[i];
        double compute = busy.processor_compute;
        for (const auto seconds : busy.fabric)
            compute += seconds;
        joules += power->idle * simulated.wall_s() + power->compute * compute + power->network * (busy.way_in + busy.way_out) +
                  power->reload * busy.reload;
    }
    return joules;
}

}  // namespace fard::planner

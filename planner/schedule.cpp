#include "planner/schedule.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>

namespace fard::planner {
namespace {

constexpr std::string_view first_line = "fard-schedule 1";
constexpr std::size_t max_bytes = 1 << 20, max_boards = 4096, max_positions = 4096, max_seats = 4096, max_order = 65'536;
constexpr std::size_t max_slots = 64;
constexpr auto max_chunks = static_cast<std::size_t>(std::min<std::uint64_t>(std::uint64_t{1} << 40, std::numeric_limits<std::size_t>::max()));

std::string word_of(const Seat& seat) { return fmt::format("{}.{}", seat.board, seat.slot); }

// The words of a line, one after the other.
class Words {
  public:
    explicit Words(std::string_view line) : rest_(line) {}

    std::string_view next() {
        const auto end = static_cast<std::size_t>(std::ranges::find(rest_, ' ') - rest_.begin());
        const auto word = rest_.substr(0, end);
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
        return word;
    }
    bool end() const { return rest_.empty(); }
    std::string_view rest() const { return rest_; }

  private:
    std::string_view rest_;
};

std::optional<std::size_t> number_of(std::string_view word, std::size_t most) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (word.empty() || error != std::errc() || end != word.data() + word.size() || value > most) return std::nullopt;
    return value;
}

std::optional<Seat> seat_of(std::string_view word) {
    const auto dot = word.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const auto board = number_of(word.substr(0, dot), max_boards), slot = number_of(word.substr(dot + 1), max_slots);
    if (!board || !slot) return std::nullopt;
    return Seat{*board, *slot};
}

class Parser {
  public:
    Result<Schedule> parse(std::string_view text) {
        if (text.size() > max_bytes) return fail(Fault::invalid_input, "a schedule of {} bytes; {} at most", text.size(), max_bytes);
        while (!text.empty()) {
            const auto end = static_cast<std::size_t>(std::ranges::find(text, '\n') - text.begin());
            ++number_;
            if (auto r = line(text.substr(0, end)); !r) return fail(r.error());
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        if (number_ == 0) return wrong("it is empty");
        if (auto r = check(schedule_); !r) return fail(r.error());
        return std::move(schedule_);
    }

  private:
    tl::unexpected<Error> wrong(std::string_view what) const {
        return fail(Fault::invalid_input, "schedule, line {}: {}", number_, what);
    }

    Result<> line(std::string_view text) {
        if (number_ == 1) return text == first_line ? Result<>() : wrong("a schedule begins with 'fard-schedule 1'");
        Words words(text);
        const auto what = words.next();
        if (what == "batch") return count(words, schedule_.batch);
        if (what == "window") return count(words, schedule_.window);
        if (what == "board") return board(words);
        if (what == "position") return position(words);
        if (what == "turns") return turns(words);
        return wrong("it must begin with batch, window, board, position or turns");
    }

    Result<> count(Words& words, std::size_t& out) {
        const auto value = number_of(words.next(), max_chunks);
        if (!value || *value < 1 || !words.end()) return wrong("a number of chunks must follow, above 0");
        out = *value;
        return {};
    }

    Result<> board(Words& words) {
        if (words.end() || schedule_.boards.size() >= max_boards) return wrong("a board's name must follow, of at most 4096");
        schedule_.boards.emplace_back(words.rest());
        return {};
    }

    // position room 64 staged next at 0.0 1.0
    Result<> position(Words& words) {
        Placed placed;
        const auto room_word = words.next();
        const auto room = number_of(words.next(), max_chunks);
        const auto staged_word = words.next(), staging = words.next(), at = words.next();
        if (room_word != "room" || !room || staged_word != "staged" || (staging != "next" && staging != "here") || at != "at")
            return wrong("a position must say 'room N staged next|here at BOARD.SLOT ...'");
        placed.room = *room;
        placed.staging = staging == "here" ? Staging::here : Staging::next;
        while (!words.end()) {
            const auto seat = seat_of(words.next());
            if (!seat || placed.seats.size() >= max_seats) return wrong("seats must be BOARD.SLOT, at most 4096");
            placed.seats.push_back(*seat);
        }
        if (schedule_.positions.size() >= max_positions) return wrong("there can be 4096 positions at most");
        schedule_.positions.push_back(std::move(placed));
        return {};
    }

    // turns 0.0 0 3
    Result<> turns(Words& words) {
        const auto slot = seat_of(words.next());
        if (!slot) return wrong("turns must say 'BOARD.SLOT POSITION ...'");
        Turns turns{*slot, {}};
        while (!words.end()) {
            const auto position = number_of(words.next(), max_positions);
            if (!position || turns.order.size() >= max_order) return wrong("turns must be numbers of positions, at most 65536");
            turns.order.push_back(*position);
        }
        if (schedule_.turns.size() >= max_seats) return wrong("there can be 4096 slots with turns at most");
        schedule_.turns.push_back(std::move(turns));
        return {};
    }

    Schedule schedule_;
    std::size_t number_ = 0;
};

Result<> check_position(const Schedule& schedule, std::size_t number) {
    const auto& placed = schedule.positions[number];
    if (placed.seats.empty()) return fail(Fault::invalid_input, "schedule: position {} has no seat", number);
    if (placed.room < 1) return fail(Fault::invalid_input, "schedule: position {} has no room for a chunk", number);
    for (const auto& seat : placed.seats) {
        if (seat.board >= schedule.boards.size())
            return fail(Fault::invalid_input, "schedule: position {} is on board {}, and there are {}", number, seat.board, schedule.boards.size());
        const auto* turns = schedule.turns_on(seat);
        if (turns && std::ranges::find(turns->order, number) == turns->order.end())
            return fail(Fault::invalid_input, "schedule: position {} never has a turn on {}", number, word_of(seat));
    }
    return {};
}

Result<> check_turns(const Schedule& schedule, const Turns& turns) {
    const auto same = std::ranges::count_if(schedule.turns, [&](const Turns& other) { return other.slot == turns.slot; });
    if (turns.order.empty() || same > 1) return fail(Fault::invalid_input, "schedule: the turns on {} are none, or given twice", word_of(turns.slot));
    for (const auto position : turns.order) {
        if (position >= schedule.positions.size() ||
            std::ranges::find(schedule.positions[position].seats, turns.slot) == schedule.positions[position].seats.end())
            return fail(Fault::invalid_input, "schedule: there is a turn of position {} on {}, where it is not", position, word_of(turns.slot));
        if (schedule.positions[position].room < schedule.batch)
            return fail(Fault::invalid_input, "schedule: a batch of {} is more than position {} has room for ({})", schedule.batch, position,
                        schedule.positions[position].room);
        const auto parts = std::ranges::count(schedule.positions[position].seats, turns.slot);
        if (std::ranges::count(turns.order, position) % parts != 0)
            return fail(Fault::invalid_input, "schedule: the {} parts of position {} on {} do not have as many turns each", parts, position,
                        word_of(turns.slot));
    }
    return {};
}

// Two positions on a slot without turns would both want it for good.
Result<> check_slots(const Schedule& schedule) {
    std::vector<Seat> taken;
    for (const auto& placed : schedule.positions)
        for (const auto& seat : placed.seats)
            if (!schedule.turns_on(seat)) taken.push_back(seat);
    std::ranges::sort(taken, {}, [](const Seat& seat) { return std::pair(seat.board, seat.slot); });
    const auto twice = std::ranges::adjacent_find(taken);
    if (twice == taken.end()) return {};
    return fail(Fault::invalid_input, "schedule: several positions are on {}, and nothing says the order of their turns", word_of(*twice));
}

}  // namespace

const Turns* Schedule::turns_on(const Seat& slot) const {
    const auto found = std::ranges::find(turns, slot, &Turns::slot);
    return found == turns.end() ? nullptr : &*found;
}

Result<> check_replicas(const Schedule& schedule, std::size_t position) {
    const auto& seats = schedule.positions[position].seats;
    for (const auto& seat : seats)
        if (std::ranges::count(seats, seat) > 1)
            return fail(Fault::invalid_input, "schedule: two replicas of position {} take turns on {}, where one computes as much", position, word_of(seat));
    return {};
}

Result<> check(const Schedule& schedule) {
    if (schedule.positions.empty()) return fail(Fault::invalid_input, "schedule: it has no positions");
    if (schedule.batch < 1 || (!schedule.turns.empty() && schedule.window < schedule.batch))
        return fail(Fault::invalid_input, "schedule: a batch of {} in a window of {}", schedule.batch, schedule.window);
    for (std::size_t i = 0; i < schedule.positions.size(); ++i)
        if (auto r = check_position(schedule, i); !r) return r;
    for (const auto& turns : schedule.turns)
        if (auto r = check_turns(schedule, turns); !r) return r;
    return check_slots(schedule);
}

std::string text_of(const Schedule& schedule) {
    auto text = fmt::format("{}\nbatch {}\nwindow {}\n", first_line, schedule.batch, schedule.window);
    for (const auto& board : schedule.boards)
        text += fmt::format("board {}\n", board);
    for (const auto& placed : schedule.positions) {
        text += fmt::format("position room {} staged {} at", placed.room, placed.staging == Staging::here ? "here" : "next");
        for (const auto& seat : placed.seats)
            text += " " + word_of(seat);
        text += '\n';
    }
    for (const auto& turns : schedule.turns) {
        text += "turns " + word_of(turns.slot);
        for (const auto position : turns.order)
            text += fmt::format(" {}", position);
        text += '\n';
    }
    return text;
}

Result<Schedule> parse_schedule(std::string_view text) { return Parser().parse(text); }

}  // namespace fard::planner

#include "overlays/soft/plan.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <new>
#include <set>
#include <utility>

namespace fard::soft {
namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t many_alive = 128;

std::size_t aligned(std::size_t bytes) {
    return (bytes + alignment - 1) / alignment * alignment;
}

// The steps during which a buffer's content matters, both inclusive; -1 is before the first step.
struct Life {
    std::ptrdiff_t begin = PTRDIFF_MAX, end = -1;
};

std::vector<Life> lives_of(const Recipe& recipe) {
    std::vector<Life> lives(recipe.buffer_bytes.size());
    const auto touch = [&](BufferId buffer, std::ptrdiff_t step) {
        lives[buffer].begin = std::min(lives[buffer].begin, step);
        lives[buffer].end = std::max(lives[buffer].end, step);
    };
    for (const auto& input : recipe.inputs)
        touch(input.buffer, -1);
    for (std::size_t i = 0; i < recipe.steps.size(); ++i) {
        const auto step = static_cast<std::ptrdiff_t>(i);
        for (const auto buffer : recipe.steps[i]->reads)
            touch(buffer, step);
        touch(recipe.steps[i]->writes, step);
    }
    for (const auto& output : recipe.outputs)
        touch(output.buffer, static_cast<std::ptrdiff_t>(recipe.steps.size()));
    return lives;
}

// Buffers by their lives: a segment tree over the steps, and -1 and the steps' number, holds each in the few nodes that make up
// its life, and each step knows those that begin there.
class Placed {
  public:
    explicit Placed(std::size_t steps)
        : leaves_(std::bit_ceil(steps + 2)), within_(2 * leaves_), begin_(leaves_) {}

    void add(BufferId id, const Life& life) {
        if (life.end < life.begin) return;  // nobody touches it
        begin_[place(life.begin)].push_back(id);
        auto low = place(life.begin) + leaves_, high = place(life.end) + 1 + leaves_;
        for (; low < high; low /= 2, high /= 2) {
            if (low % 2 == 1) within_[low++].push_back(id);
            if (high % 2 == 1) within_[--high].push_back(id);
        }
    }

    // Those alive during a part of `life`.
    std::vector<BufferId> during(const Life& life) const {
        std::vector<BufferId> found;
        if (life.end < life.begin) return found;
        for (auto node = place(life.begin) + leaves_; node > 0; node /= 2)
            found.insert(found.end(), within_[node].begin(), within_[node].end());
        for (auto step = place(life.begin) + 1; step <= place(life.end); ++step)
            found.insert(found.end(), begin_[step].begin(), begin_[step].end());
        return found;
    }

  private:
    static std::size_t place(std::ptrdiff_t step) { return static_cast<std::size_t>(step + 1); }

    std::size_t leaves_;
    std::vector<std::vector<BufferId>> within_;  // by node; leaf i is node leaves_ + i
    std::vector<std::vector<BufferId>> begin_;   // by step
};

// Parts of the memory that are free, merged where they meet.
class Gaps {
  public:
    // The smallest gap that holds so many bytes, or else the end of the memory, which grows.
    std::size_t take(std::size_t bytes) {
        auto found = by_size_.lower_bound({bytes, 0});
        if (found == by_size_.end()) {
            const auto place = end_;
            end_ += bytes;
            return place;
        }
        const auto [size, place] = *found;
        remove(place, size);
        if (size > bytes) add(place + bytes, size - bytes);
        return place;
    }
    void give_back(std::size_t place, std::size_t bytes) {
        auto next = by_place_.lower_bound(place);
        if (next != by_place_.end() && next->first == place + bytes) {
            const auto [at, size] = *next;
            bytes += size;
            remove(at, size);
        }
        next = by_place_.lower_bound(place);
        if (next != by_place_.begin()) {
            const auto [at, size] = *std::prev(next);
            if (at + size == place) {
                remove(at, size);
                place = at, bytes += size;
            }
        }
        add(place, bytes);
    }
    std::size_t end() const { return end_; }

  private:
    void add(std::size_t place, std::size_t bytes) {
        by_place_.emplace(place, bytes);
        by_size_.emplace(bytes, place);
    }
    void remove(std::size_t place, std::size_t bytes) {
        by_place_.erase(place);
        by_size_.erase({bytes, place});
    }

    std::map<std::size_t, std::size_t> by_place_;
    std::set<std::pair<std::size_t, std::size_t>> by_size_;
    std::size_t end_ = 0;
};

std::size_t room_of(const Recipe& recipe, BufferId id) {
    return aligned(recipe.buffer_bytes[id] + buffer_slack);
}

// Buffers alive at the same time, at most.
std::size_t most_alive(const Recipe& recipe, const std::vector<Life>& lives) {
    std::vector<std::ptrdiff_t> change(recipe.steps.size() + 3);
    for (const auto& life : lives)
        if (life.begin <= life.end) ++change[static_cast<std::size_t>(life.begin + 1)], --change[static_cast<std::size_t>(life.end + 2)];
    std::ptrdiff_t alive = 0, most = 0;
    for (const auto each : change)
        most = std::max(most, alive += each);
    return static_cast<std::size_t>(most);
}

// One step after the other: what ends is given back, what begins takes the smallest gap.
Layout lay_out_in_turn(const Recipe& recipe, const std::vector<Life>& lives) {
    std::vector<std::vector<BufferId>> begins(recipe.steps.size() + 2), ends(recipe.steps.size() + 2);
    for (BufferId id = 0; id < lives.size(); ++id)
        if (lives[id].begin <= lives[id].end) {
            begins[static_cast<std::size_t>(lives[id].begin + 1)].push_back(id);
            ends[static_cast<std::size_t>(lives[id].end + 1)].push_back(id);
        }
    Layout layout{std::vector<std::size_t>(lives.size()), 0};
    Gaps gaps;
    for (std::size_t step = 0; step < begins.size(); ++step) {
        for (const auto id : begins[step])
            layout.offsets[id] = gaps.take(room_of(recipe, id));
        for (const auto id : ends[step])
            gaps.give_back(layout.offsets[id], room_of(recipe, id));
    }
    layout.bytes = gaps.end();
    for (BufferId id = 0; id < lives.size(); ++id)  // nobody touches it, but it has a place
        if (lives[id].begin > lives[id].end) layout.bytes = std::max(layout.bytes, room_of(recipe, id));
    return layout;
}

}  // namespace

// The largest buffer first, each at the lowest place that no buffer of the same time has. That looks at every pair of one time:
// where these are many, one step after the other.
Layout lay_out(const Recipe& recipe) {
    const auto lives = lives_of(recipe);
    if (most_alive(recipe, lives) > many_alive) return lay_out_in_turn(recipe, lives);
    std::vector<BufferId> order(recipe.buffer_bytes.size());
    for (BufferId id = 0; id < order.size(); ++id)
        order[id] = id;
    std::ranges::stable_sort(order, std::greater{}, [&](BufferId id) { return recipe.buffer_bytes[id]; });

    Layout layout{std::vector<std::size_t>(order.size()), 0};
    const auto end_of = [&](BufferId id) { return layout.offsets[id] + room_of(recipe, id); };
    Placed placed(recipe.steps.size());
    for (const auto id : order) {
        const auto bytes = room_of(recipe, id);
        std::size_t place = 0;
        auto others = placed.during(lives[id]);
        std::ranges::sort(others, {}, [&](BufferId other) { return layout.offsets[other]; });
        for (const auto other : others) {
            if (place + bytes <= layout.offsets[other]) break;
            place = std::max(place, end_of(other));
        }
        layout.offsets[id] = place;
        layout.bytes = std::max(layout.bytes, place + bytes);
        placed.add(id, lives[id]);
    }
    return layout;
}

void Plan::Free::operator()(std::byte* bytes) const {
    ::operator delete (bytes, std::align_val_t{alignment});
}

Plan::Plan(Recipe recipe, std::size_t threads)
    : recipe_(std::move(recipe)),
      outcomes_(threads),
      team_(threads, [this](std::size_t member) { work(member); }) {
    const auto layout = lay_out(recipe_);
    std::size_t scratch = 0;
    for (const auto& step : recipe_.steps)
        scratch = std::max(scratch, step->scratch_bytes());
    scratch = aligned(scratch + buffer_slack);
    memory_bytes_ = layout.bytes + threads * scratch;
    arena_.reset(static_cast<std::byte*>(::operator new (memory_bytes_, std::align_val_t{alignment})));
    std::fill_n(arena_.get(), memory_bytes_, std::byte{0});
    memories_.resize(threads);
    for (const auto offset : layout.offsets)
        buffers_.push_back(arena_.get() + offset);
    for (std::size_t i = 0; i < threads; ++i)
        memories_[i] = {buffers_.data(), arena_.get() + layout.bytes + i * scratch};
}

Result<> Plan::load(std::span<const std::span<const std::byte>> inputs) {
    if (inputs.size() != recipe_.inputs.size())
        return fail(Fault::invalid_input, "the stage has {} inputs, and got {}", recipe_.inputs.size(),
                    inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const auto& port = recipe_.inputs[i];
        if (auto loaded = load_wire(port.storage, port.type, inputs[i], buffers_[port.buffer]); !loaded)
            return fail_in(fmt::format("input {}", i), loaded.error());
    }
    return {};
}

Result<> Plan::run() {
    failed_ = false;
    for (auto& outcome : outcomes_)
        outcome = {};
    team_.run();
    for (auto& outcome : outcomes_)
        if (!outcome) return std::move(outcome);
    return {};
}

// A member's share of every step. All see a failure before the next step.
void Plan::work(std::size_t member) {
    for (const auto& step : recipe_.steps) {
        if (auto done = step->run(memories_[member], {member, team_.members()}); !done) {
            outcomes_[member] = std::move(done);
            failed_ = true;
        }
        team_.meet();
        if (failed_) return;
    }
}

Result<> Plan::store(std::span<const std::span<std::byte>> outputs) const {
    if (outputs.size() != recipe_.outputs.size())
        return fail(Fault::invalid_input, "the stage has {} outputs, and got {}", recipe_.outputs.size(),
                    outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        const auto& port = recipe_.outputs[i];
        if (auto stored = store_wire(port.storage, port.type, buffers_[port.buffer], outputs[i]); !stored)
            return fail_in(fmt::format("output {}", i), stored.error());
    }
    return {};
}

}  // namespace fard::soft

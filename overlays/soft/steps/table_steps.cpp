#include "overlays/soft/steps/table_steps.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/tables.hpp"

namespace fard::soft {
namespace {

constexpr std::size_t block = 512;

std::size_t size(std::int64_t extent) { return static_cast<std::size_t>(extent); }

class BroadcastStep final : public Step {
  public:
    BroadcastStep(const std::vector<Feed>& feeds, const Outcome& outcome, BlockFunction function)
        : Step(buffers_of(feeds), outcome.buffer),
          readers_(feeds.begin(), feeds.end()),
          writer_(outcome),
          function_(std::move(function)) {
        const auto rank = outcome.tensor.shape.size();
        for (const auto axis : axes_of(outcome.storage)) {
            Loop loop{size(outcome.tensor.shape[axis]), {}};
            for (const auto& reader : readers_) {
                const auto shape = graph_shape(reader.storage());
                const auto lead = rank - shape.size();
                const bool repeats = axis < lead || shape[axis - lead] == 1;
                loop.steps.push_back(repeats ? 0 : strides_of(reader.storage())[axis - lead]);
            }
            add(std::move(loop));
        }
        if (loops_.empty()) loops_.push_back({1, std::vector<std::size_t>(readers_.size(), 0)});
    }

    std::string_view kind() const override { return "elementwise"; }
    std::size_t scratch_bytes() const override { return (readers_.size() + 1) * block * sizeof(double); }

    Result<> run(const Memory& memory, Share share) const override {
        const auto& row = loops_.back();
        std::size_t rows = 1;
        for (std::size_t i = 0; i + 1 < loops_.size(); ++i)
            rows *= loops_[i].extent;
        const auto parts = (row.extent + block - 1) / block;
        const auto own = share.of(rows * parts);
        for (auto part = own.begin; part < own.end; ++part) {
            const auto first = part % parts * block;
            if (auto done = run_block(memory, part / parts, first, std::min(block, row.extent - first)); !done) return done;
        }
        return {};
    }

  private:
    struct Loop {
        std::size_t extent;
        std::vector<std::size_t> steps;  // of each operand
    };

    // Dimensions that lie behind one another for all operands are one.
    void add(Loop loop) {
        if (loop.extent == 1) return;
        if (!loops_.empty()) {
            auto& before = loops_.back();
            bool one = true;
            for (std::size_t i = 0; i < readers_.size(); ++i)
                one = one && before.steps[i] == loop.steps[i] * loop.extent;
            if (one) {
                before.extent *= loop.extent;
                before.steps = std::move(loop.steps);
                return;
            }
        }
        loops_.push_back(std::move(loop));
    }

    Result<> run_block(const Memory& memory, std::size_t row, std::size_t first, std::size_t count) const {
        auto* room = reinterpret_cast<double*>(memory.scratch);
        const double* from[most_feeds] = {};
        for (std::size_t i = 0; i < readers_.size(); ++i) {
            std::size_t at = first * loops_.back().steps[i], rest = row;
            for (std::size_t loop = loops_.size() - 1; loop-- > 0; rest /= loops_[loop].extent)
                at += rest % loops_[loop].extent * loops_[loop].steps[i];
            readers_[i].read(memory, at, loops_.back().steps[i], room + i * block, count);
            from[i] = room + i * block;
        }
        auto* to = room + readers_.size() * block;
        function_(from, to, count);
        return writer_.write(memory.at<std::byte>(writes), row * loops_.back().extent + first, 1, to, count);
    }

    std::vector<Reader> readers_;
    Writer writer_;
    BlockFunction function_;
    std::vector<Loop> loops_;  // outermost first
};

// Each operand's elements, in the order in which they lie in the result.
class JoinStep final : public Step {
  public:
    JoinStep(const std::vector<Feed>& feeds, const Outcome& outcome, int axis)
        : Step(buffers_of(feeds), outcome.buffer), writer_(outcome) {
        const auto to = strides_of(outcome.storage);
        std::size_t first = 0;
        for (const auto& feed : feeds) {
            Piece piece{Reader(feed), first, {}};
            const auto from = strides_of(piece.reader.storage());
            for (const auto each : axes_of(outcome.storage))
                if (feed.shape[each] > 1) piece.loops.push_back({size(feed.shape[each]), from[each], to[each]});
            if (piece.loops.empty()) piece.loops.push_back({1, 0, 0});
            first += size(feed.shape[size(axis)]) * to[size(axis)];
            pieces_.push_back(std::move(piece));
        }
    }

    std::string_view kind() const override { return "join"; }
    std::size_t scratch_bytes() const override { return block * sizeof(double); }

    Result<> run(const Memory& memory, Share share) const override {
        for (const auto& piece : pieces_) {
            std::size_t rows = 1;
            for (std::size_t i = 0; i + 1 < piece.loops.size(); ++i)
                rows *= piece.loops[i].extent;
            const auto own = share.of(rows);
            for (auto row = own.begin; row < own.end; ++row)
                if (auto done = copy_row(memory, piece, row); !done) return done;
        }
        return {};
    }

  private:
    struct Loop {
        std::size_t extent, from, to;
    };
    struct Piece {
        Reader reader;
        std::size_t first;
        std::vector<Loop> loops;  // in the order of the result's memory
    };

    Result<> copy_row(const Memory& memory, const Piece& piece, std::size_t row) const {
        auto* room = reinterpret_cast<double*>(memory.scratch);
        std::size_t from = 0, to = piece.first;
        for (std::size_t i = piece.loops.size() - 1; i-- > 0; row /= piece.loops[i].extent) {
            const auto index = row % piece.loops[i].extent;
            from += index * piece.loops[i].from, to += index * piece.loops[i].to;
        }
        const auto& line = piece.loops.back();
        for (std::size_t first = 0; first < line.extent; first += block) {
            const auto count = std::min(block, line.extent - first);
            piece.reader.read(memory, from + first * line.from, line.from, room, count);
            auto done = writer_.write(memory.at<std::byte>(writes), to + first * line.to, line.to, room, count);
            if (!done) return done;
        }
        return {};
    }

    Writer writer_;
    std::vector<Piece> pieces_;
};

// The elements that make one of the result lie at all places of `inner` loops, in the graph's order.
class ReduceStep final : public Step {
  public:
    ReduceStep(const Feed& feed, const Outcome& outcome, const model::Node& node)
        : Step({feed.buffer}, outcome.buffer), reader_(feed), writer_(outcome), node_(node) {
        const auto& axes = axes_to_reduce();
        const auto reduced = [&](std::size_t axis) { return std::ranges::find(axes, static_cast<int>(axis)) != axes.end(); };
        const auto strides = strides_of(feed.storage);
        for (std::size_t axis = 0; axis < feed.shape.size(); ++axis)
            if (reduced(axis)) inner_.push_back({size(feed.shape[axis]), strides[axis]}), count_ *= inner_.back().extent;
        std::vector<std::size_t> kept;  // the operand's dimension for each one of the result
        const bool same_rank = outcome.tensor.shape.size() == feed.shape.size();
        for (std::size_t axis = 0; axis < feed.shape.size(); ++axis)
            if (same_rank || !reduced(axis)) kept.push_back(axis);
        for (const auto axis : axes_of(outcome.storage))
            if (!reduced(kept[axis])) outer_.push_back({size(feed.shape[kept[axis]]), strides[kept[axis]]});
        std::erase_if(outer_, [](const Loop& loop) { return loop.extent == 1; });
        std::erase_if(inner_, [](const Loop& loop) { return loop.extent == 1; });
        lanes_ = !outer_.empty() && outer_.back().stride == 1 ? outer_.back().extent : 1;
        if (lanes_ > 1) outer_.pop_back();
        run_ = lanes_ == 1 && !inner_.empty() ? inner_.back() : Loop{1, 0};
        if (lanes_ == 1 && !inner_.empty()) inner_.pop_back();
    }

    std::string_view kind() const override { return "reduce"; }
    std::size_t scratch_bytes() const override { return (lanes_ + std::max(lanes_, block)) * sizeof(double); }

    Result<> run(const Memory& memory, Share share) const override {
        const auto own = share.of(product(outer_));
        for (auto row = own.begin; row < own.end; ++row)
            if (auto done = run_row(memory, row); !done) return done;
        return {};
    }

  private:
    struct Loop {
        std::size_t extent, stride;
    };

    const std::vector<int>& axes_to_reduce() const {
        const auto* row = std::get_if<model::ReductionAttributes>(&node_.attributes);
        return row != nullptr ? row->axes : node_.as<model::ReduceAttributes>().axes;
    }
    static std::size_t product(const std::vector<Loop>& loops) {
        std::size_t count = 1;
        for (const auto& loop : loops)
            count *= loop.extent;
        return count;
    }
    static std::size_t place(const std::vector<Loop>& loops, std::size_t number) {
        std::size_t at = 0;
        for (std::size_t i = loops.size(); i-- > 0; number /= loops[i].extent)
            at += number % loops[i].extent * loops[i].stride;
        return at;
    }

    Result<> run_row(const Memory& memory, std::size_t row) const {
        auto* totals = reinterpret_cast<double*>(memory.scratch);
        auto* room = totals + lanes_;
        const auto* table = std::get_if<model::ReductionAttributes>(&node_.attributes);
        const auto* kind = table == nullptr ? nullptr : table->row;
        std::fill_n(totals, lanes_, kind == nullptr ? 0 : kind->start);
        const auto base = place(outer_, row), steps = product(inner_);
        for (std::size_t step = 0; step < steps; ++step) {
            const auto at = base + place(inner_, step);
            if (lanes_ > 1) {
                reader_.read(memory, at, 1, room, lanes_);
                add_lanes(kind, totals, room);
                continue;
            }
            for (std::size_t first = 0; first < run_.extent; first += block) {
                const auto count = std::min(block, run_.extent - first);
                reader_.read(memory, at + first * run_.stride, run_.stride, room, count);
                if (kind != nullptr)
                    *totals = kind->fold(*totals, room, count);
                else
                    for (std::size_t i = 0; i < count; ++i)
                        *totals += room[i];
            }
        }
        if (kind != nullptr)
            for (std::size_t i = 0; i < lanes_; ++i)
                totals[i] = kind->end(totals[i]);
        if (node_.op == model::Op::reduce_mean)
            for (std::size_t i = 0; i < lanes_; ++i)
                totals[i] /= static_cast<double>(count_);
        return writer_.write(memory.at<std::byte>(writes), row * lanes_, 1, totals, lanes_);
    }

    void add_lanes(const model::ReductionRow* kind, double* totals, const double* x) const {
        if (kind != nullptr) return kind->add_each(totals, x, lanes_);
        for (std::size_t i = 0; i < lanes_; ++i)
            totals[i] += x[i];
    }

    Reader reader_;
    Writer writer_;
    const model::Node& node_;
    std::vector<Loop> outer_, inner_;  // of the result, in the order of memory; of what makes one of it
    Loop run_{1, 0};                   // the innermost of these, where nothing lies side by side
    std::size_t lanes_ = 1, count_ = 1;
};

// From one dimension of memory: what lies outside and inside of it.
struct Along {
    std::size_t outer = 1, extent = 1, inner = 1;
    Along(const Storage& storage, int axis) {
        const auto axes = axes_of(storage);
        bool behind = false;
        for (std::size_t i = 0; i < axes.size(); ++i) {
            if (axes[i] == static_cast<std::size_t>(axis))
                extent = size(storage.shape[i]), behind = true;
            else
                (behind ? inner : outer) *= size(storage.shape[i]);
        }
    }
};

class ResampleStep final : public Step {
  public:
    ResampleStep(const Feed& feed, const Outcome& outcome, const model::ResampleAttributes& attributes)
        : Step({feed.buffer}, outcome.buffer),
          reader_(feed),
          writer_(outcome),
          attributes_(attributes),
          from_(feed.storage, attributes.axis),
          outputs_(attributes.indices.size() / attributes.taps) {}

    std::string_view kind() const override { return "resample"; }
    std::size_t scratch_bytes() const override { return 2 * block * sizeof(double); }

    Result<> run(const Memory& memory, Share share) const override {
        const auto own = share.of(from_.outer * outputs_);
        for (auto row = own.begin; row < own.end; ++row)
            for (std::size_t first = 0; first < from_.inner; first += block)
                if (auto done = run_block(memory, row, first, std::min(block, from_.inner - first)); !done) return done;
        return {};
    }

  private:
    Result<> run_block(const Memory& memory, std::size_t row, std::size_t first, std::size_t count) const {
        auto* sums = reinterpret_cast<double*>(memory.scratch);
        auto* room = sums + block;
        std::fill_n(sums, count, 0.);
        const auto outer = row / outputs_, taps = attributes_.taps, begin = row % outputs_ * taps;
        for (auto tap = begin; tap < begin + taps; ++tap) {
            const auto at = (outer * from_.extent + size(attributes_.indices[tap])) * from_.inner + first;
            reader_.read(memory, at, 1, room, count);
            const double weight = attributes_.weights[tap];
            for (std::size_t i = 0; i < count; ++i)
                sums[i] += weight * room[i];
        }
        return writer_.write(memory.at<std::byte>(writes), row * from_.inner + first, 1, sums, count);
    }

    Reader reader_;
    Writer writer_;
    const model::ResampleAttributes& attributes_;
    Along from_;
    std::size_t outputs_;
};

class LineStep final : public Step {
  public:
    LineStep(const Feed& feed, const Outcome& outcome, int axis, LineFunction function)
        : Step({feed.buffer}, outcome.buffer),
          reader_(feed),
          writer_(outcome),
          from_(feed.storage, axis),
          outputs_(outcome.storage.elements() / (from_.outer * from_.inner)),
          function_(std::move(function)) {}

    std::string_view kind() const override { return "lines"; }
    std::size_t scratch_bytes() const override { return (from_.extent + outputs_) * sizeof(double); }

    Result<> run(const Memory& memory, Share share) const override {
        auto* from = reinterpret_cast<double*>(memory.scratch);
        auto* to = from + from_.extent;
        const auto own = share.of(from_.outer * from_.inner);
        for (auto line = own.begin; line < own.end; ++line) {
            const auto outer = line / from_.inner, inner = line % from_.inner;
            reader_.read(memory, outer * from_.extent * from_.inner + inner, from_.inner, from, from_.extent);
            function_(from, from_.extent, to, outputs_);
            const auto at = outer * outputs_ * from_.inner + inner;
            if (auto done = writer_.write(memory.at<std::byte>(writes), at, from_.inner, to, outputs_); !done) return done;
        }
        return {};
    }

  private:
    Reader reader_;
    Writer writer_;
    Along from_;
    std::size_t outputs_;
    LineFunction function_;
};

class LookupStep final : public Step {
  public:
    LookupStep(const Feed& table, const Feed& indices, const Outcome& outcome, int axis)
        : Step(buffers_of({table, indices}), outcome.buffer),
          table_(table),
          indices_(indices),
          writer_(outcome),
          from_(table_.storage(), axis),
          count_(indices.storage.elements()),
          name_(outcome.node) {}

    std::string_view kind() const override { return "lookup"; }
    std::size_t scratch_bytes() const override { return block * sizeof(double); }

    Result<> run(const Memory& memory, Share share) const override {
        const auto own = share.of(from_.outer * count_);
        for (auto row = own.begin; row < own.end; ++row) {
            double found = 0;
            indices_.read(memory, row % count_, 1, &found, 1);
            const auto extent = static_cast<double>(from_.extent);
            if (found < -extent || found >= extent)
                return fail(Fault::failed, "node '{}' (Gather) reads element {} of {}", name_, found, from_.extent);
            const auto index = static_cast<std::size_t>(found < 0 ? found + extent : found);
            if (auto done = copy(memory, (row / count_ * from_.extent + index) * from_.inner, row * from_.inner); !done)
                return done;
        }
        return {};
    }

  private:
    Result<> copy(const Memory& memory, std::size_t from, std::size_t to) const {
        auto* room = reinterpret_cast<double*>(memory.scratch);
        for (std::size_t first = 0; first < from_.inner; first += block) {
            const auto count = std::min(block, from_.inner - first);
            table_.read(memory, from + first, 1, room, count);
            if (auto done = writer_.write(memory.at<std::byte>(writes), to + first, 1, room, count); !done) return done;
        }
        return {};
    }

    Reader table_, indices_;
    Writer writer_;
    Along from_;
    std::size_t count_;
    std::string name_;
};

}  // namespace

StepPtr make_broadcast_step(std::vector<Feed> feeds, const Outcome& outcome, BlockFunction function) {
    return std::make_unique<BroadcastStep>(feeds, outcome, std::move(function));
}

StepPtr make_join_step(const std::vector<Feed>& feeds, const Outcome& outcome, int axis) {
    return std::make_unique<JoinStep>(feeds, outcome, axis);
}

StepPtr make_reduce_step(const Feed& feed, const Outcome& outcome, const model::Node& node) {
    return std::make_unique<ReduceStep>(feed, outcome, node);
}

StepPtr make_resample_step(const Feed& feed, const Outcome& outcome, const model::ResampleAttributes& attributes) {
    return std::make_unique<ResampleStep>(feed, outcome, attributes);
}

StepPtr make_line_step(const Feed& feed, const Outcome& outcome, int axis, LineFunction function) {
    return std::make_unique<LineStep>(feed, outcome, axis, std::move(function));
}

StepPtr make_lookup_step(const Feed& table, const Feed& indices, const Outcome& outcome, int axis) {
    const bool plain = (!table.computed() || table.storage.in_graph_order()) &&
                       outcome.storage.in_graph_order() && indices.storage.in_graph_order();
    if (!plain || !indices.computed()) return nullptr;
    return std::make_unique<LookupStep>(table, indices, outcome, axis);
}

}  // namespace fard::soft

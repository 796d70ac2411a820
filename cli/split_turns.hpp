// `fard split` where stages outnumber slots: the planner's best turns, as a plan of the splitter's.
#pragma once

#include <optional>
#include <string>

#include "cli/options.hpp"
#include "cli/plan.hpp"

namespace fard::cli {

// --batch and --chunks.
std::vector<OptionSpec> turn_options();

// `images` in batches of `batch`: what the shortest time is looked for. By `latency` one batch alone.
struct TurnWish {
    std::optional<std::size_t> batch = 64;  // none: the best
    std::size_t images = 64;
    std::optional<double> latency_s;        // no image takes longer
};
Result<TurnWish> read_turns(const Options& options, splitter::Strategy strategy);

struct InTurns {
    splitter::Found found;  // the boards of each stage are those of its seats; a period is the whole time over the images
    Turns turns;
    std::string picture;    // the timeline, SVG
};

// The plan of which so many images take the least time, where no plan has a slot for each stage. Errors: refused (nothing fits, or keeps
// the latency).
Result<InTurns> best_in_turns(const splitter::Network& network, const splitter::Cluster& cluster, const splitter::Request& request,
                              const TurnWish& wish);

// What the table of stages does not say.
std::string text_of(const InTurns& in_turns, splitter::Strategy strategy);

}  // namespace fard::cli

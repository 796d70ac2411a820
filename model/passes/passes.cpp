#include "model/passes/passes.hpp"

#include "model/passes/rules.hpp"

namespace fard::model {

// One sweep along the network is enough: a rule looks only at what is made before its node.
void run_passes(Draft& draft) {
    Rewriter(draft).run({linear_on_integers, move_integers, sum_integers, end_in_integers});
    drop_unneeded(draft);
}

}  // namespace fard::model

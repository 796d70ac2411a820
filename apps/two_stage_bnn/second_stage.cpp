// Position 1 of two_stage_bnn: the fully connected layers. A chunk comes in as 256 features and goes out as
// ten scores.
#include "jobs/overlay_runner.hpp"

namespace {

class SecondStage final : public fard::OverlayJob {};

}  // namespace

int main(int argc, char** argv) {
    return fard::run_job(argc, argv, [] { return std::make_unique<SecondStage>(); }, fard::Parking::allowed, fard::prepare_overlay);
}

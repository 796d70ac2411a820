// Position 0 of two_stage_bnn: the convolutions. A chunk comes in as one image and goes out as 256 features
// of 2 bits.
#include "jobs/overlay_runner.hpp"

namespace {

class FirstStage final : public fard::OverlayJob {};

}  // namespace

int main(int argc, char** argv) {
    return fard::run_job(argc, argv, [] { return std::make_unique<FirstStage>(); }, fard::Parking::allowed, fard::prepare_overlay);
}

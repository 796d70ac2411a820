// The stock job `stage`: runs its position's overlay on the reserved device.
#include "jobs/overlay_runner.hpp"

int main(int argc, char** argv) {
    return fard::run_job(argc, argv, [] { return std::make_unique<fard::OverlayJob>(); }, fard::Parking::allowed, fard::prepare_overlay);
}

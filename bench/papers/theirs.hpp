// The papers' policies, in the same virtual time and with the same boards as ours. What a paper does not give and its figures need is
// a fitted constant of its policy alone.
#pragma once

#include "bench/papers/setting.hpp"

namespace fard::papers {

// Hannoun et al., GRETSI: the greedy cut, one central client that sends a tensor to a board and waits for the answer, board after
// board and image after image; where bitstreams outnumber boards all load at once, and then the batch goes through.
struct Central {
    double client_s_per_message = 0, client_s_per_byte = 0;  // fitted: its client's software; bytes between two stages alone
};
struct CentralRun {
    double wall_s = 0, load_s = 0, compute_s = 0;  // compute: of one image, on all fabrics
    std::size_t stages = 0, messages = 0;          // of one image, at the client
    std::uint64_t bytes = 0;                       // the same, of what lies between two stages
};
Result<CentralRun> central_mobilenet(const Setting& setting, const Central& central, std::size_t images);
Result<CentralRun> central_cnv(const Setting& setting, const Central& central, std::size_t images);

// Both constants from 307.9 ms for one image of MobileNetV1 and 123.8 images/s of CnvW2A2: two equations. Errors:
// failed (a constant is below zero, so that the boards' own costs are more than was published).
Result<Central> fit_central(const Setting& setting, double mobilenet_s, double cnv_s);

// Fiscaletti et al.: Python on the boards. FARD's client hands all images to a node manager in one request (`api.send_job_data`), and gets the
// last job's output queue as one answer; between the two each chunk goes to the job, back, and to the next board's node manager: five
// messages for each chunk on each board; BNNsplit's boards have one in and one out. `message_s`: fitted, what one
// takes on a Cortex-A9 beyond the board's own cost.
Result<double> fard_wall_s(const Setting& setting, double message_s, std::size_t images);
Result<double> bnnsplit_per_s(const Setting& setting, double message_s);
Result<double> fit_python(const Setting& setting, double fard_s, double bnnsplit);

// Hannoun et al., WiPiEC: the greedy cut resident on six boards, the input on the first one, a byte for each element on the wire.
struct Resident {
    double per_s = 0, watts = 0;
};
Result<Resident> resident_mobilenet(const Setting& setting);

// Mageiropoulos et al.: six kernels of 3.9 ms (their slowest), 392 kbit between two, 10 Gbit/s from
// fabric to fabric, which costs no processor anything.
struct Squeezed {
    double per_s = 0, latency_s = 0;
};
Result<Squeezed> six_fpgas(const Setting& setting);

}  // namespace fard::papers

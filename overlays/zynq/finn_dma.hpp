// One of FINN's DMAs (an HLS block between memory and a stream), register by register:
//
//   0x00 control   bit 0 start, bit 1 done (cleared when read), bit 2 idle
//   0x04 interrupt bit 0: at all; 0x08 bit 0: when done; 0x0c bit 0: there was one (taken back by writing it)
//   0x10, 0x14     address in memory, low and high half
//   0x1c           repetitions: tensors one behind the other in memory
#pragma once

#include <memory>

#include "overlays/zynq/host.hpp"

namespace fard::zynq {

class FinnDma {
  public:
    static constexpr std::uint64_t register_bytes = 0x20;
    FinnDma(std::string name, std::unique_ptr<Registers> registers) : name_(std::move(name)), registers_(std::move(registers)) {}

    const std::string& name() const { return name_; }
    std::uint32_t control() { return registers_->read(0x00); }  // for messages; may clear `done`

    bool idle() { return (look() & 4) != 0; }
    // Whether what was started is over. A block that is idle again has been done, even where somebody else read it.
    bool done() { return (look() & 6) != 0; }
    int interrupt_fd() const { return registers_->interrupt_fd(); }
    // So that the end of the run that is started next is told by an interrupt. Nothing where there is none.
    void expect_interrupt() {
        if (interrupt_fd() < 0) return;
        registers_->write(0x04, 1);
        registers_->write(0x08, 1);
        registers_->write(0x0c, registers_->read(0x0c) & 1);
        registers_->arm_interrupt();
    }
    bool take_interrupt() { return registers_->arm_interrupt(); }  // whether there was one
    void start(std::uint64_t address, std::uint32_t repetitions) {
        registers_->write(0x10, static_cast<std::uint32_t>(address));
        registers_->write(0x14, static_cast<std::uint32_t>(address >> 32));
        registers_->write(0x1c, repetitions);
        registers_->write(0x00, 1);
    }

  private:
    std::uint32_t look() { return registers_->read(0x00); }
    std::string name_;
    std::unique_ptr<Registers> registers_;
};

}  // namespace fard::zynq

// What an emulated board charges for what its jobs send and receive: its processor at both ends of a link, and its two
// ways, shared by all its positions.
#pragma once

#include "overlays/emulated/board_memory.hpp"
#include "runtime/peer/pacer.hpp"

namespace fard {

class BoardPacer final : public Pacer {
  public:
    explicit BoardPacer(BoardMemory memory) : memory_(std::move(memory)) {}

    std::uint64_t place() const override { return memory_.figures().place; }
    TimePoint charge_send(std::size_t bytes, TimePoint since) override;
    TimePoint charge_arrival(std::size_t bytes) override;
    TimePoint charge_receive(std::size_t bytes, TimePoint since) override;
    void left(Duration after) override { late_ += after > tolerance_ ? 1 : 0; }

    void tolerate(Duration lateness) { tolerance_ = lateness; }
    std::uint64_t late() const { return late_; }  // chunks that left later than that

  private:
    BoardMemory memory_;
    Duration tolerance_ = std::chrono::milliseconds(2);
    std::uint64_t late_ = 0;
};

}  // namespace fard

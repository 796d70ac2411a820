// Front doors of other node managers as sources of packages.
#include "base/lifetime.hpp"
#include "runtime/node_manager/package_fetch.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/front_door.hpp"

namespace fard {

namespace {

// Answers are passed on by way of the loop, so that the visitor may be destroyed by whoever gets them.
class FrontDoorSource final : public PieceSource {
  public:
    FrontDoorSource(Loop& loop, std::unique_ptr<Visitor> visitor)
        : loop_(loop), visitor_(std::move(visitor)) {}

    void ask(wire::Body question, Duration deadline, Answer answer) override {
        visitor_->ask(std::move(question), deadline, [this, answer = std::move(answer)](Result<wire::Body> body) {
            auto shared = std::make_shared<Result<wire::Body>>(std::move(body));
            loop_.post([answer, shared, life = lifetime_.watch()] {
                if (!life.over()) answer(std::move(*shared));
            });
        });
    }

  private:
    Loop& loop_;
    std::unique_ptr<Visitor> visitor_;
    Lifetime lifetime_;
};

}  // namespace

KnockAtSource front_door_sources(Loop& loop, SocketFactory& sockets) {
    return [&loop, &sockets](const Address& front_door) -> Result<std::unique_ptr<PieceSource>> {
        auto visitor = Visitor::knock(loop, sockets, PeerId{random_hex(16)}, front_door);
        if (!visitor) return fail(visitor.error());
        return std::make_unique<FrontDoorSource>(loop, std::move(*visitor));
    };
}

}  // namespace fard

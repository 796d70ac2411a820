// Whether an object is still there, for callbacks that may come after its end. For objects that live on one loop: the
// answer is asked on the thread on which the object is destroyed.
#pragma once

#include <memory>
#include <utility>

namespace fard {

// A member, the last one, so that it is over before the other members go.
class Lifetime {
  public:
    class Watch {
      public:
        bool over() const { return life_.expired(); }

      private:
        friend class Lifetime;
        explicit Watch(std::weak_ptr<const char> life) : life_(std::move(life)) {}
        std::weak_ptr<const char> life_;
    };

    Watch watch() const { return Watch(life_); }

    // The callback, which does nothing any more once the object is gone.
    template <typename Callback>
    auto guarded(Callback callback) const {
        return [callback = std::move(callback), life = watch()](auto&&... values) {
            if (!life.over()) callback(std::forward<decltype(values)>(values)...);
        };
    }

    void end() { life_.reset(); }  // before the object's destructor has got to its members

  private:
    std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace fard

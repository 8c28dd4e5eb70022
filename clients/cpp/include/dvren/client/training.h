// What goes into and comes out of training sessions. Recipes, datasets and reports are the messages of dvren.v1.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dvren/client/image.h"
#include "dvren/client/status.h"
#include "dvren/v1/training_service.pb.h"

namespace dvren::client {

// Called from the calling thread with each report; false stops the training at its next step.
using OnTrainReport = std::function<bool(const v1::TrainReport&)>;

// One view beside its photograph. Images are there where they were asked for: (height, width, 3), 0 to 1 in the
// photographs' colour space.
struct EvaluatedPhoto {
  v1::EvaluatedView view;
  Image render, truth;
};
// Called from the calling thread, view by view, in the dataset's order.
using OnEvaluatedPhoto = std::function<void(EvaluatedPhoto&&)>;

struct EvaluationResult {
  v1::EvaluationHeader header;
  std::vector<v1::EvaluatedView> views;
  v1::EvaluationSummary summary;
};

}  // namespace dvren::client

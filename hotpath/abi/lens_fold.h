// How far a lens model maps directions one to one.
#pragma once

#include "hotpath/hp.h"

namespace hp {

// Where the distorted radius stops growing, which is as far as the lens maps: beyond it the polynomial folds over and
// shows directions that the lens does not. Pinhole: the squared undistorted radius (x^2 + y^2 at z = 1) of the first
// zero of
//   d/dr r (1 + k1 r^2 + k2 r^4 + k3 r^6) = 1 + 3 k1 s + 5 k2 s^2 + 7 k3 s^3,  s = r^2;
// fisheye: the angle theta of the first zero of d/dtheta theta (1 + k1 theta^2 + … + k4 theta^8), at most pi.
// Infinity for a pinhole lens that never folds. `distortion` in hp_camera's order.
double LensFold(hp_camera_model model, const double distortion[5]);

}  // namespace hp

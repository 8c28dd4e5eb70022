// How near an image is to another: PSNR and SSIM, in double, for values whose range is 0 … 1.
#pragma once

#include <span>

namespace dvren::io {

// 10 log10(1 / mean squared difference), dB; the mean is over all values. Infinity for equal images; NaN where the
// sizes differ, there are no values, or one of them is NaN.
[[nodiscard]] double Psnr(std::span<const float> a, std::span<const float> b);

// Structural similarity after Wang, Bovik, Sheikh and Simoncelli 2004: windows of 11 x 11 with Gaussian weights
// (sigma 1.5, sum 1), K1 = 0.01, K2 = 0.03, range L = 1, variances with these weights; the mean over all windows that
// lie within the image, then over channels. C order (height, width, channels). 1 for equal images; NaN for sizes that
// do not fit or an edge below 11.
[[nodiscard]] double Ssim(std::span<const float> a, std::span<const float> b, int width, int height, int channels);

}  // namespace dvren::io

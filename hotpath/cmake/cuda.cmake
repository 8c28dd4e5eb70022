# The CUDA backend: DVREN_CUDA=AUTO builds it where nvcc is found, ON demands it, OFF leaves it out.
set(HP_HAVE_CUDA OFF)
if(NOT DVREN_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(DVREN_CUDA_ARCHITECTURES "80-virtual;90-real" CACHE STRING
      "What kernels are compiled for: real code for Hopper, and PTX from Ampere on that the driver compiles for the rest")
    set(CMAKE_CUDA_ARCHITECTURES ${DVREN_CUDA_ARCHITECTURES})
    enable_language(CUDA)
    # CMake 3.25 does not know C++20 in CUDA.
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA_EXTENSIONS OFF)
    set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
    set(HP_HAVE_CUDA ON)
  elseif(DVREN_CUDA STREQUAL "ON")
    message(FATAL_ERROR "DVREN_CUDA=ON: no CUDA compiler; put nvcc on PATH, set CUDACXX, or set DVREN_CUDA=OFF")
  endif()
endif()

if(HP_HAVE_CUDA)
  hp_add_backend(cuda HP_DEVICE_CUDA)
  find_package(CUDAToolkit REQUIRED)
  set(HP_CUDA_KERNELS backends/cuda/forward_single.cu backends/cuda/forward_double.cu backends/cuda/backward_single.cu
    backends/cuda/backward_double.cu backends/cuda/parameters.cu backends/cuda/mask.cu)
  list(APPEND HP_BACKEND_SOURCES ${HP_CUDA_KERNELS} backends/cuda/cuda_backend.cpp backends/cuda/launch_counts.cpp
    backends/cuda/mask_host.cpp backends/cuda/parameter_store.cpp backends/cuda/runtime.cpp backends/cuda/runtime_cuda.cpp)
  set_source_files_properties(backends/cuda/runtime_cuda.cpp PROPERTIES INCLUDE_DIRECTORIES "${CUDAToolkit_INCLUDE_DIRS}")
  # The bits of the CPU: no contraction but our own fma, IEEE division and square root, denormals kept.
  set(kernel_options "-fmad=false;-ftz=false;-prec-div=true;-prec-sqrt=true")
  option(DVREN_CUDA_REPORT "Let ptxas say how many registers kernels take and what they spill (.ci/check_spills reads it)" OFF)
  if(DVREN_CUDA_REPORT)
    list(APPEND kernel_options "-Xptxas=-v")
  endif()
  set_source_files_properties(${HP_CUDA_KERNELS} PROPERTIES COMPILE_OPTIONS "${kernel_options}")
endif()
set(DVREN_HAVE_CUDA ${HP_HAVE_CUDA} CACHE INTERNAL "The CUDA backend is part of this build")

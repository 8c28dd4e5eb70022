/* hp.h: the C ABI of dvren's kernels. C11; the same text in every build.
 *
 * What lives here: contexts (one per device), streams, fields, plans, and the stages of a volume render:
 *   hp_ray -> hp_samp -> hp_int -> hp_img      staged: every sample is stored; the readable reference
 *   hp_samp_int_fused                          the same result, bit for bit, storing nothing per sample
 * Who may call it: the engine, and anybody who wants kernels without a service.
 *
 * Rules that hold for every call:
 *  - The first member of every descriptor is `struct_size`; set it to sizeof(the struct). HP_INIT(x) does so.
 *  - Every op takes a stream and runs in its order. On the CPU an op has completed when the call returns.
 *  - Every op takes a workspace; hp_*_workspace_size() tells how large it must be (0 is a valid answer). No op
 * allocates device memory, so that a stream of ops can be captured in a graph.
 *  - Bad input is refused with HP_STATUS_INVALID_ARGUMENT and a message that names field, value and remedy
 *    (hp_last_error). Nothing is repaired. What is not implemented says HP_STATUS_NOT_IMPLEMENTED; what this backend
 *    cannot do says HP_STATUS_UNSUPPORTED. Outputs are untouched after an error.
 *  - Pointers in tensors are device pointers of the context's device; for the CPU, ordinary host pointers.
 *  - Distances are in world units, sigma in 1/world unit, angles in radians, pixels with centres at +0.5.
 */
#ifndef HOTPATH_HP_H_
#define HOTPATH_HP_H_

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(HP_SHARED)
#if defined(HP_BUILDING)
#define HP_API __declspec(dllexport)
#else
#define HP_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define HP_API __attribute__((visibility("default")))
#else
#define HP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define HP_VERSION_MAJOR 0
#define HP_VERSION_MINOR 1
#define HP_INIT(object) ((object).struct_size = (uint32_t)sizeof(object))

/* ---- status ------------------------------------------------------------------------------------------------- */

typedef enum hp_status {
  HP_STATUS_OK = 0,
  HP_STATUS_INVALID_ARGUMENT = 1, /* the message names field, value and remedy */
  HP_STATUS_OUT_OF_MEMORY = 2,
  HP_STATUS_NOT_IMPLEMENTED = 3, /* nobody has written it yet */
  HP_STATUS_UNSUPPORTED = 4,     /* this device or build cannot do it */
  HP_STATUS_DEVICE_ERROR = 5,    /* the device failed; the context is unusable */
  HP_STATUS_INTERNAL = 6,
  HP_STATUS_OVERFLOW = 7 /* a gradient left the range of its fixed point; the message says which exponent to ask for */
} hp_status;

/* The message of the last failed call on this thread; "" after success. Valid until the thread's next hp call. */
HP_API const char* hp_last_error(void);
HP_API const char* hp_status_name(hp_status status);

/* ---- data --------------------------------------------------------------------------------------------------- */

typedef enum hp_dtype {
  HP_DTYPE_F32 = 1,
  HP_DTYPE_F64 = 2,
  HP_DTYPE_F16 = 3,
  HP_DTYPE_BF16 = 4,
  HP_DTYPE_I32 = 5,
  HP_DTYPE_I64 = 6,
  HP_DTYPE_U8 = 7
} hp_dtype;

HP_API size_t hp_dtype_size(hp_dtype dtype); /* bytes per element; 0 for an unknown dtype */

#define HP_MAX_RANK 6

/* A non-owning view. Strides are in elements. data == NULL means "absent" where an op says a tensor is optional. */
typedef struct hp_tensor {
  uint32_t struct_size;
  hp_dtype dtype;
  void* data;
  int32_t rank;
  int32_t reserved;
  int64_t shape[HP_MAX_RANK];
  int64_t strides[HP_MAX_RANK];
} hp_tensor;

/* Device memory that an op may scribble on for the duration of the op. Aligned to 64 bytes. */
typedef struct hp_workspace {
  void* data;
  size_t bytes;
} hp_workspace;

/* Row-major 3x4 affine map: y = m[:, :3] x + m[:, 3]. */
typedef struct hp_affine {
  double m[12];
} hp_affine;

/* Half-open pixel rectangle [x, x+width) x [y, y+height). */
typedef struct hp_roi {
  int32_t x, y, width, height;
} hp_roi;

/* ---- context and stream ------------------------------------------------------------------------------------- */

typedef struct hp_ctx hp_ctx;
typedef struct hp_stream hp_stream;

typedef enum hp_device { HP_DEVICE_CPU = 1, HP_DEVICE_CUDA = 2 } hp_device;

/* Instruction sets of the CPU backend. All give the same bits; AUTO takes the widest that this machine runs. */
typedef enum hp_isa { HP_ISA_AUTO = 0, HP_ISA_SCALAR = 1, HP_ISA_AVX2 = 2, HP_ISA_AVX512 = 3 } hp_isa;

typedef struct hp_ctx_desc {
  uint32_t struct_size;
  hp_device device;
  int32_t device_index;         /* CUDA ordinal; 0 for the CPU */
  int32_t threads;              /* CPU workers including the caller; 0 = one per hardware thread */
  hp_isa isa;                   /* CPU only */
  uint64_t memory_budget_bytes; /* CUDA only: the most device memory this context takes at a time; 0 = what there is */
} hp_ctx_desc;

typedef struct hp_ctx_info {
  uint32_t struct_size;
  hp_device device;
  int32_t device_index;
  int32_t threads;
  hp_isa isa;
  char name[128];
  char uuid[64];
  uint64_t memory_total_bytes;
  /* CUDA only, else 0. */
  int32_t multiprocessors;
  int32_t driver_cuda_version; /* the newest CUDA that the driver runs: 1000 major + 10 minor */
  uint64_t memory_used_bytes;  /* that this context has taken, now and at most */
  uint64_t memory_peak_bytes;
} hp_ctx_info;

HP_API hp_status hp_ctx_create(const hp_ctx_desc* desc, hp_ctx** out);
HP_API void hp_ctx_destroy(hp_ctx* ctx); /* after every field, plan and stream made from it */
HP_API hp_status hp_ctx_get_info(const hp_ctx* ctx, hp_ctx_info* out);
/* 1 once the device has failed in a way that it does not recover from: every further call gives DEVICE_ERROR, but for
 * those that destroy. Cheap. */
HP_API int32_t hp_ctx_failed(const hp_ctx* ctx);
/* How many devices of a kind this build can use on this machine; 0 without a driver. Never fails. */
HP_API int32_t hp_device_count(hp_device device);
/* 1 where the CPU of this machine runs the instruction set. */
HP_API int32_t hp_isa_available(hp_isa isa);

HP_API hp_status hp_stream_create(hp_ctx* ctx, hp_stream** out);
HP_API void hp_stream_destroy(hp_stream* stream);
HP_API hp_status hp_stream_synchronize(hp_stream* stream);

/* Device memory, 64-byte aligned; allocated and freed in stream order. */
HP_API hp_status hp_memory_allocate(hp_stream* stream, size_t bytes, void** out);
HP_API hp_status hp_memory_free(hp_stream* stream, void* data);
typedef enum hp_copy_kind {
  HP_COPY_HOST_TO_DEVICE = 1,
  HP_COPY_DEVICE_TO_HOST = 2,
  HP_COPY_DEVICE_TO_DEVICE = 3
} hp_copy_kind;
HP_API hp_status hp_memory_copy(hp_stream* stream, void* destination, const void* source, size_t bytes,
                                hp_copy_kind kind);

/* Capture and replay of a stream of ops. UNSUPPORTED on the CPU. Between begin and end the stream's ops are noted, not
 * run; those that wait for results (hp_samp, hp_gradient_read, hp_update_field that is asked for a count, …) fail
 * there. What the ops were given must outlive the graph, and an overflow of a gradient shows in hp_gradient_get_info
 * alone. *out: NULL, or a graph that is updated in place if that will do. */
typedef struct hp_graph hp_graph;
HP_API hp_status hp_graph_begin_capture(hp_stream* stream);
HP_API hp_status hp_graph_end_capture(hp_stream* stream, hp_graph** out);
HP_API hp_status hp_graph_launch(hp_graph* graph, hp_stream* stream);
HP_API void hp_graph_destroy(hp_graph* graph);

/* ---- fields ------------------------------------------------------------------------------------------------- */

typedef struct hp_field hp_field;

/* Pointwise fields are sampled inside the kernels. Batched fields evaluate arrays of positions and directions
 * (hp_field_evaluate) and go through the staged ops in bounded chunks. */
typedef enum hp_field_kind { HP_FIELD_POINTWISE = 1, HP_FIELD_BATCHED = 2 } hp_field_kind;
typedef enum hp_interp { HP_INTERP_LINEAR = 1, HP_INTERP_NEAREST = 2 } hp_interp;

/* Density of a dense grid from its interpolated raw value v, before sigma_scale. All but the identity take any finite
 * v. TRUNC_EXP is exp(v) whose derivative is that of exp(min(v, 15)), so that one wild step cannot blow up training (as
 * instant-ngp and torch-ngp do). */
typedef enum hp_activation {
  HP_ACTIVATION_IDENTITY = 0,
  HP_ACTIVATION_SOFTPLUS = 1, /* log(1 + exp v) */
  HP_ACTIVATION_EXP = 2,
  HP_ACTIVATION_TRUNC_EXP = 3
} hp_activation;

typedef enum hp_border { HP_BORDER_ZERO = 1, HP_BORDER_CLAMP = 2 } hp_border;

/* A dense grid over an axis-aligned box in its local space. `values` is host memory, C order (nz, ny, nx, channels),
 * f32 or f16, and is copied. Voxel centres sit at (i + 0.5)/n of the box; between the outermost centres and the box the
 * edge value holds. Channels: 1 = sigma; 4 = r, g, b, sigma; 3(L+1)^2 + 1 = spherical harmonics of r, then g, then b,
 * then sigma, L = 1..3. At most 2^31 - 1 voxels, padding included. */
typedef struct hp_grid_desc {
  uint32_t struct_size;
  hp_tensor values;
  double box_min[3], box_max[3]; /* local space */
  hp_affine local_to_world;      /* must be invertible */
  hp_interp interp;
  hp_border border;
  hp_activation activation; /* of sigma */
} hp_grid_desc;

/* A NanoVDB float grid (fog volume): `blob` is one grid's buffer in host memory, 32-byte aligned; it is checked node by
 * node and copied. Trilinear at index positions (values at integer index coordinates), background outside; the box is
 * the active bounding box grown by one voxel. */
typedef struct hp_nanovdb_desc {
  uint32_t struct_size;
  const void* blob;
  size_t bytes;
} hp_nanovdb_desc;

/* A hash-grid radiance field with an MLP (batched). */
typedef struct hp_hash_mlp_desc {
  uint32_t struct_size;
  int32_t levels, features_per_level, log2_table_size, base_resolution;
  double per_level_scale;
  int32_t hidden_width, hidden_layers;
  double box_min[3], box_max[3];
} hp_hash_mlp_desc;

typedef struct hp_field_info {
  uint32_t struct_size;
  hp_field_kind kind;
  char type[32]; /* "dense_grid", "nanovdb", … */
  int32_t channels;
  int32_t sh_degree; /* -1 without spherical harmonics */
  int64_t voxels[3]; /* of a dense grid in x, y, z; else 0 */
  hp_dtype storage_dtype;
  double box_min[3], box_max[3]; /* the clip box in its own local (dense) or index (NanoVDB) space */
  hp_affine local_to_world;      /* of that space */
  double min_voxel_world;        /* shortest edge of a voxel in world units */
  int32_t unbounded;             /* 1: rays are clipped by t_near and t_far alone (border clamp) */
  uint64_t device_bytes;
  uint64_t parameter_count; /* values that training could change */
} hp_field_info;

HP_API hp_status hp_field_create_grid_sigma(hp_stream* stream, const hp_grid_desc* desc, hp_field** out);
HP_API hp_status hp_field_create_grid_color(hp_stream* stream, const hp_grid_desc* desc, hp_field** out);
HP_API hp_status hp_field_create_nanovdb(hp_stream* stream, const hp_nanovdb_desc* desc, hp_field** out);
HP_API hp_status hp_field_create_hash_mlp(hp_stream* stream, const hp_hash_mlp_desc* desc, hp_field** out);
HP_API void hp_field_destroy(hp_field* field);
HP_API hp_status hp_field_get_info(const hp_field* field, hp_field_info* out);

/* ---- scene: instances --------------------------------------------------------------------------------------- */

#define HP_MAX_TRANSFER_KNOTS 256

/* One placed field. Colour of scalar fields: `color`, or, with knot_count > 0, a transfer function: piecewise linear
 * over the raw density between ascending knots, constant beyond the ends. Host memory, copied by the op. */
typedef struct hp_instance {
  uint32_t struct_size;
  const hp_field* field;
  hp_affine object_to_world; /* applied after the field's own local_to_world; invertible */
  double sigma_scale;        /* finite, >= 0 */
  double color[3];
  int32_t knot_count;
  const double* knot_density; /* (knot_count) ascending */
  const double* knot_rgb;     /* (knot_count, 3) */
} hp_instance;

/* ---- plan --------------------------------------------------------------------------------------------------- */

typedef struct hp_plan hp_plan;

typedef enum hp_camera_model {
  HP_CAMERA_PINHOLE = 1,
  HP_CAMERA_FISHEYE = 2,
  HP_CAMERA_ORTHOGRAPHIC = 3
} hp_camera_model;

/* OpenCV axes: x right, y down, z forward. distortion: pinhole k1, k2, p1, p2, k3 (OpenCV's order); fisheye k1..k4. */
typedef struct hp_camera {
  uint32_t struct_size;
  hp_camera_model model;
  int32_t width, height;
  double fx, fy, cx, cy; /* pixels; unused by orthographic */
  double distortion[5];
  double ortho_scale; /* world height of the image */
  hp_affine camera_to_world;
  double t_near, t_far; /* t_far may be +infinity */
} hp_camera;

typedef enum hp_sampling {
  HP_SAMPLING_FIXED = 1,         /* the midpoint of every segment */
  HP_SAMPLING_STRATIFIED = 2,    /* a random place in every segment */
  HP_SAMPLING_UNIFORM_JITTER = 3 /* a random place for every ray, the same in all its segments */
} hp_sampling;
typedef enum hp_precision { HP_PRECISION_F32 = 1, HP_PRECISION_F64 = 2 } hp_precision;

typedef struct hp_plan_desc {
  uint32_t struct_size;
  const hp_camera* camera; /* NULL: the plan renders given rays only */
  hp_sampling sampling;
  double dt;         /* world length of a lattice segment, > 0 */
  int64_t max_steps; /* non-empty segments per ray, 1 … 2^24 */
  uint64_t seed;     /* of random sampling */
  double early_stop; /* a ray whose transmittance is below ends; 0 = off; in [0, 1) */
  double background[3];
  hp_precision precision; /* of arithmetic, rays and images */
  int32_t skip_empty;     /* 1: skip space whose interpolation support is exactly 0. Changes no bits. */
  int32_t note_seen;      /* 1: f32 forwards over a masked grid note what rays see (hp_mask_desc) */
  int32_t tile;           /* pixels along the edge of a scheduling tile; 0 = default. Changes no bits. */
} hp_plan_desc;

HP_API hp_status hp_plan_create(hp_ctx* ctx, const hp_plan_desc* desc, hp_plan** out);
HP_API void hp_plan_destroy(hp_plan* plan);

/* ---- stages ------------------------------------------------------------------------------------------------- */

/* Counters, added to (never reset) by ops: an i64 device array of HP_COUNTER_COUNT elements. */
typedef enum hp_counter {
  HP_COUNTER_RAYS = 0,
  HP_COUNTER_SAMPLES = 1,       /* field samples taken; fewer when empty space is skipped */
  HP_COUNTER_EARLY_STOPPED = 2, /* rays ended by early_stop */
  HP_COUNTER_TRUNCATED = 3,     /* rays cut by max_steps, or by the 2^24 limit of a lattice index */
  HP_COUNTER_INVALID = 4,       /* pixels outside what the lens model maps; they show the background */
  HP_COUNTER_OVERFLOWED = 5,    /* gradient contributions that fixed point cannot hold; the gradients are spoilt */
  HP_COUNTER_COUNT = 8
} hp_counter;

/* N rays. Directions have unit length. All of the plan's precision except ids. */
typedef struct hp_rays_t {
  uint32_t struct_size;
  hp_tensor origins;    /* (N, 3) */
  hp_tensor directions; /* (N, 3) */
  hp_tensor t_near;     /* (N) */
  hp_tensor t_far;      /* (N); a ray with t_far <= t_near is empty */
  hp_tensor ids;        /* (N) i64, keys of stratified sampling; absent: the index */
} hp_rays_t;

/* Samples of N rays, at most S each; entries at and beyond count[i] are unspecified. */
typedef struct hp_samp_t {
  uint32_t struct_size;
  hp_tensor t;     /* (N, S) place along the ray */
  hp_tensor dt;    /* (N, S) length of the segment */
  hp_tensor sigma; /* (N, S) 1/world unit, scaled */
  hp_tensor rgb;   /* (N, S, 3) */
  hp_tensor count; /* (N) i32 */
} hp_samp_t;

/* Integrals of N rays. */
typedef struct hp_intl_t {
  uint32_t struct_size;
  hp_tensor rgb;           /* (N, 3) sum of w c, without the background */
  hp_tensor transmittance; /* (N) */
  hp_tensor opacity;       /* (N) 1 - transmittance, from the compensated pair */
  hp_tensor depth;         /* (N) sum of w t, not normalised */
  hp_tensor distortion;    /* (N), optional: as in hp_img_t */
  hp_tensor end;           /* (N) i32, optional: samples integrated before the ray ended */
} hp_intl_t;

/* How a ray ended. */
typedef enum hp_ray_end {
  HP_RAY_LEFT = 0,     /* it left the field, or reached t_far */
  HP_RAY_STOPPED = 1,  /* by early_stop */
  HP_RAY_TRUNCATED = 2 /* by max_steps */
} hp_ray_end;

/* An image, or the results of N rays as one row of N pixels. Tensors with data == NULL are not written. */
typedef struct hp_img_t {
  uint32_t struct_size;
  hp_tensor rgb;           /* (H, W, 3) composed over the background */
  hp_tensor opacity;       /* (H, W) */
  hp_tensor transmittance; /* (H, W) */
  hp_tensor depth;         /* (H, W) */
  hp_tensor distortion;    /* (H, W) sum over i, j of w_i w_j |t_i - t_j|, plus the sum of w_i^2 dt_i / 3, world units:
                              how far a ray's weights lie apart (Barron et al., "Mip-NeRF 360", 2022, eq. 15, with the
                              samples' places for the middles of their segments) */
  hp_tensor hit;           /* (H, W) 1 where opacity > 0.5, else 0 */
  hp_tensor radiance;      /* (H, W, 3) sum of w c, without the background: what backward needs of a ray, with its
                              transmittance and depth, and its distortion where d_distortion is given */
  hp_tensor counts;        /* (H, W, 2) i32: samples taken of the ray, and its hp_ray_end. Of the fused op alone */
} hp_img_t;

/* Rays of the plan's camera through the pixels of `roi`, row by row: N = roi.width * roi.height. */
HP_API hp_status hp_ray_workspace_size(const hp_plan* plan, hp_roi roi, size_t* bytes);
HP_API hp_status hp_ray(hp_stream* stream, const hp_plan* plan, hp_roi roi, const hp_rays_t* out, hp_tensor counters,
                        hp_workspace workspace);

/* Places and evaluates the samples of every ray. hp_samp_max_count tells the S that suffices. */
HP_API hp_status hp_samp_max_count(hp_stream* stream, const hp_plan* plan, const hp_instance* instances,
                                   int32_t instance_count, const hp_rays_t* rays, int64_t* out);
HP_API hp_status hp_samp_workspace_size(const hp_plan* plan, int64_t rays, int64_t samples_per_ray, size_t* bytes);
HP_API hp_status hp_samp(hp_stream* stream, const hp_plan* plan, const hp_instance* instances, int32_t instance_count,
                         const hp_rays_t* rays, const hp_samp_t* out, hp_tensor counters, hp_workspace workspace);

HP_API hp_status hp_int_workspace_size(const hp_plan* plan, int64_t rays, int64_t samples_per_ray, size_t* bytes);
HP_API hp_status hp_int(hp_stream* stream, const hp_plan* plan, const hp_samp_t* samples, const hp_intl_t* out,
                        hp_tensor counters, hp_workspace workspace);

HP_API hp_status hp_img_workspace_size(const hp_plan* plan, int64_t rays, size_t* bytes);
HP_API hp_status hp_img(hp_stream* stream, const hp_plan* plan, const hp_intl_t* integrals, const hp_img_t* out,
                        hp_workspace workspace);

/* Fused forward. With rays == NULL: the pixels of `roi` through the plan's camera; images are (roi.height, roi.width).
 * With rays: N rays; images are (1, N) and `roi` is ignored. Pointwise fields only. */
HP_API hp_status hp_samp_int_fused_workspace_size(const hp_plan* plan, hp_roi roi, int64_t rays, size_t* bytes);
HP_API hp_status hp_samp_int_fused(hp_stream* stream, const hp_plan* plan, const hp_instance* instances,
                                   int32_t instance_count, const hp_rays_t* rays, hp_roi roi, const hp_img_t* out,
                                   hp_tensor counters, hp_workspace workspace);

/* Evaluates a field, pointwise or batched: positions (N, 3) and unit directions (N, 3) in world space ->
 * sigma (N) and rgb (N, 3), with the instance's scale and colour. Zero outside the field's box. */
HP_API hp_status hp_field_evaluate_workspace_size(const hp_field* field, int64_t count, size_t* bytes);
HP_API hp_status hp_field_evaluate(hp_stream* stream, const hp_plan* plan, const hp_instance* instance,
                                   const hp_tensor* positions, const hp_tensor* directions, const hp_tensor* sigma,
                                   const hp_tensor* rgb, hp_workspace workspace);

/* ---- gradients ---------------------------------------------------------------------------------------------- */

/* What gradients hold fixed: the number of segments, where early stop ended a ray, the cells that samples lie in, which
 * faces of the box a ray enters and leaves by. They differentiate everything else, the first and last segment included.
 * Nearest interpolation has no gradient with respect to position. Space that is skipped has none: values of blocks
 * whose whole interpolation support is 0 get no gradient, whether it is skipped or not.
 *
 * Many rays add to one parameter. Sums are exact: contributions are rounded to a multiple of a quantum 2^e, once each,
 * and added as integers, so that threads, tiles, batches and order change no bits.
 *  - field values: int64, |contribution| < 2^50 quanta. The quantum belongs to the gradient, from hp_gradient_zero on.
 *  - everything else of which there are few (camera, colours, step): 128 bit, the quantum is 2^HP_SUM_EXPONENT. */

/* dL/d(values) of one field. On the CPU block-sparse: memory grows with the blocks that rays touch. A CUDA kernel
 * cannot make room: there every block has it from the start. */
typedef struct hp_gradient hp_gradient;

typedef struct hp_gradient_info {
  uint32_t struct_size;
  int32_t exponent;   /* e of the quantum 2^e */
  int32_t rank;       /* of what hp_gradient_read writes */
  int32_t overflowed; /* 1: a sum has reached 2^60 quanta or a contribution did not fit since the last zero */
  int64_t shape[HP_MAX_RANK];
  int64_t block_count; /* blocks with memory. CPU: touched since it was made; CUDA: all, which a kernel may touch */
  uint64_t device_bytes;
} hp_gradient_info;

#define HP_MIN_GRADIENT_EXPONENT (-100)
#define HP_MAX_GRADIENT_EXPONENT 60

/* INVALID_ARGUMENT for a field without parameters. The field must outlive its gradients. */
HP_API hp_status hp_gradient_create(hp_stream* stream, const hp_field* field, hp_gradient** out);
HP_API void hp_gradient_destroy(hp_gradient* gradient);
/* All zero, with quantum 2^exponent. */
HP_API hp_status hp_gradient_zero(hp_stream* stream, hp_gradient* gradient, int32_t exponent);
HP_API hp_status hp_gradient_get_info(const hp_gradient* gradient, hp_gradient_info* out);
/* values: f32 or f64, contiguous, info.shape.
 *   dense_grid  (nz, ny, nx, channels), as the field's values
 *   nanovdb     (leaves, 8, 8, 8), z, y, x, in the order of the blob's tree; values of tiles have no gradient.
 * origins: (leaves, 3) i32, index coordinates x, y, z of each leaf's first voxel; absent for dense_grid.
 * OVERFLOW when a sum has left its range: zero it with a larger exponent and go again. */
HP_API hp_status hp_gradient_read(hp_stream* stream, const hp_gradient* gradient, const hp_tensor* values,
                                  const hp_tensor* origins);
/* The gradient becomes these values, each rounded to a multiple of 2^exponent: one that was summed elsewhere. values:
 * shape and layout as hp_gradient_read writes them. OVERFLOW, and a gradient to be zeroed, when a value is not finite
 * or is 2^50 quanta or more. */
HP_API hp_status hp_gradient_write(hp_stream* stream, hp_gradient* gradient, int32_t exponent, const hp_tensor* values);
/* An exponent that fits most uses: 36 (f32) or 40 (f64) bits below the largest |dL/d(image)| times max(1, dt). */
HP_API int32_t hp_gradient_default_exponent(double largest_adjoint, double dt, hp_precision precision);

/* Places in the array of few-parameter sums. */
typedef enum hp_sum {
  HP_SUM_BACKGROUND = 0,      /* 3 */
  HP_SUM_SIGMA_SCALE = 3,     /* 1 */
  HP_SUM_COLOR = 4,           /* 3 */
  HP_SUM_DT = 7,              /* 1: the step size */
  HP_SUM_CAMERA_TO_WORLD = 8, /* 12: ambient, of normalise(R d) */
  HP_SUM_INTRINSICS = 20,     /* 4: fx, fy, cx, cy */
  HP_SUM_DISTORTION = 24,     /* 5, in hp_camera's order */
  HP_SUM_ORTHO_SCALE = 29,
  HP_SUM_T_NEAR = 30,
  HP_SUM_T_FAR = 31,
  HP_SUM_KNOT_DENSITY = 32, /* HP_MAX_TRANSFER_KNOTS */
  HP_SUM_KNOT_RGB = 288,    /* HP_MAX_TRANSFER_KNOTS x 3 */
  HP_SUM_COUNT = 1056
} hp_sum;
#define HP_SUM_EXPONENT (-80)
/* A 128-bit sum, two's complement: low and high 64 bits. */
HP_API double hp_sum_value(const int64_t low_high[2]);

/* Which of the few-parameter sums are wanted. */
typedef enum hp_wanted {
  HP_WANT_SCENE = 1,  /* background, sigma scale, colour, transfer function */
  HP_WANT_CAMERA = 2, /* pose, intrinsics, distortion, t_near, t_far: of the plan's camera */
  HP_WANT_STEP = 4    /* dt. The fused backward computes it in double precision whatever the plan's is, in a second
                         march: terms that grow like n cancel in it, f32 would leave no digits of n = 10^4 */
} hp_wanted;

/* In: dL/d(image), each optional, shapes as in hp_img_t. Out: what is wanted; everything is added to but the rays'. */
typedef struct hp_grads_t {
  uint32_t struct_size;
  uint32_t wanted;                                                    /* hp_wanted, needs `sums` */
  hp_tensor d_rgb, d_opacity, d_transmittance, d_depth, d_distortion; /* plan's precision, finite */
  hp_gradient* values;                                                /* optional, of instances[0].field */
  hp_tensor sums; /* (HP_SUM_COUNT, 2) i64; absent when nothing is wanted */
  /* Of given rays, each optional, written: (N, 3), (N, 3), (N), (N). */
  hp_tensor d_origins, d_directions, d_t_near, d_t_far;
} hp_grads_t;

/* dL/d(samples) of stored samples; shapes as in hp_samp_t. */
typedef struct hp_samp_grads_t {
  uint32_t struct_size;
  hp_tensor t, dt, sigma, rgb;
} hp_samp_grads_t;

/* Staged: the adjoint of hp_int and hp_img, from stored samples and what hp_int made of them. Writes dL/d(samples);
 * adds the background's sum when HP_WANT_SCENE. Entries beyond the end of a ray are 0. What a batched field needs. */
HP_API hp_status hp_diff_workspace_size(const hp_plan* plan, int64_t rays, int64_t samples_per_ray, size_t* bytes);
HP_API hp_status hp_diff(hp_stream* stream, const hp_plan* plan, const hp_samp_t* samples, const hp_intl_t* integrals,
                         const hp_grads_t* gradients, const hp_samp_grads_t* out, hp_tensor counters,
                         hp_workspace workspace);

/* Staged: carries dL/d(samples) of the rays' samples on to field values, rays and sums. Pointwise fields only. The
 * camera's part is hp_ray_backward's. */
HP_API hp_status hp_samp_backward_workspace_size(const hp_plan* plan, int64_t rays, int64_t samples_per_ray,
                                                 size_t* bytes);
HP_API hp_status hp_samp_backward(hp_stream* stream, const hp_plan* plan, const hp_instance* instances,
                                  int32_t instance_count, const hp_rays_t* rays, const hp_samp_grads_t* d_samples,
                                  const hp_grads_t* gradients, hp_tensor counters, hp_workspace workspace);

/* Staged: carries dL/d(rays) of the camera's rays through `roi` on to the camera's sums. Reads d_origins, d_directions,
 * d_t_near, d_t_far of `gradients`. */
HP_API hp_status hp_ray_backward_workspace_size(const hp_plan* plan, hp_roi roi, size_t* bytes);
HP_API hp_status hp_ray_backward(hp_stream* stream, const hp_plan* plan, hp_roi roi, const hp_grads_t* gradients,
                                 hp_tensor counters, hp_workspace workspace);

/* Fused: recomputes the samples, stores nothing per sample. `rays` and `roi` as in the forward; `forward` holds
 * radiance, transmittance and depth of the same call, and distortion where `gradients` has d_distortion. Pointwise
 * fields only. Counts samples and what overflowed. */
HP_API hp_status hp_samp_int_fused_backward_workspace_size(const hp_plan* plan, hp_roi roi, int64_t rays,
                                                           size_t* bytes);
HP_API hp_status hp_samp_int_fused_backward(hp_stream* stream, const hp_plan* plan, const hp_instance* instances,
                                            int32_t instance_count, const hp_rays_t* rays, hp_roi roi,
                                            const hp_img_t* forward, const hp_grads_t* gradients, hp_tensor counters,
                                            hp_workspace workspace);

/* ---- training: parameters change in place ------------------------------------------------------------------- */

/* All of these are for dense grids of f32 or f16 values; UNSUPPORTED for other fields. Nothing else may use the field
 * while one of them runs. */

/* Copies the values to host memory, contiguous f32 (nz, ny, nx, channels). */
HP_API hp_status hp_field_read_values(hp_stream* stream, const hp_field* field, const hp_tensor* values);

/* Which cells of a dense grid are there. A cell reaches from a voxel to its upper neighbours; where it is not there the
 * density is 0 and its values get no gradient. Marches pass such cells (skip_empty) without a change of bits. */
typedef struct hp_mask_desc {
  uint32_t struct_size;
  /* Host memory, contiguous u8 (nz, ny, nx): 0 = not there; 1 + n = there, last seen n refinements ago (n < 127); plus
   * 128 when it has been seen since the last refinement. */
  hp_tensor cells;
  double
      seen_weight; /* > 0: forwards whose plan says note_seen note the cells in which a ray has at least this weight */
} hp_mask_desc;
HP_API hp_status hp_field_set_mask(hp_stream* stream, hp_field* field, const hp_mask_desc* mask);
/* The mask as it is, to host memory. INVALID_ARGUMENT without one. */
HP_API hp_status hp_field_read_mask(hp_stream* stream, const hp_field* field, const hp_tensor* cells);

/* Keeps, and adds to, the cells that have a corner denser than `density` (before sigma_scale) and that are, or touch, a
 * cell seen within the last `seen_window` refinements, this one included; forgets what was seen. */
typedef struct hp_mask_refinement {
  uint32_t struct_size;
  double density;      /* >= 0 */
  int32_t seen_window; /* 1 ... 120 */
} hp_mask_refinement;
/* there: how many cells there are afterwards; may be NULL. */
HP_API hp_status hp_field_refine_mask(hp_stream* stream, hp_field* field, const hp_mask_refinement* refinement,
                                      int64_t* there);

/* Registered optimizers; hotpath/optimizers/ has the formulas. */
typedef enum hp_update_rule { HP_UPDATE_SGD = 0, HP_UPDATE_ADAM = 1, HP_UPDATE_RMSPROP = 2 } hp_update_rule;

#define HP_MAX_CHANNELS 49

typedef struct hp_update_desc {
  uint32_t struct_size;
  hp_update_rule rule;
  int64_t step;                  /* 1, 2, ...: of bias correction */
  double beta1, beta2;           /* [0, 1) */
  double epsilon;                /* >= 0 */
  double momentum;               /* [0, 1) */
  double weight_decay;           /* >= 0 */
  int32_t nesterov;              /* sgd */
  int32_t decoupled;             /* adam: weight decay does not go through the moments */
  int32_t sparse;                /* 1: voxels whose gradient is all zero are left alone, their moments too */
  double rates[HP_MAX_CHANNELS]; /* learning rate of each channel; of arrays the first alone */
  double gradient_scale;         /* >= 0: multiplies the gradient before all else; 0: 1 */
  double clip_value; /* >= 0: then elements of the gradient are limited to [-clip_value, clip_value]; 0: not */
} hp_update_desc;

/* What an optimizer remembers of a field's values: block-sparse, zero at first. Of f16 values it also keeps f32
 * masters, behind the moments of a block: steps are taken on them, and the field has them rounded to nearest, ties to
 * even. A master that does not round to the field's value, because that was written otherwise, is that value from then
 * on. */
typedef struct hp_moments hp_moments;
typedef struct hp_moments_info {
  uint32_t struct_size;
  int64_t block_count;  /* blocks of 8^3 voxels that have moments */
  int64_t block_values; /* f32 numbers of one block */
  uint64_t device_bytes;
} hp_moments_info;
HP_API hp_status hp_moments_create(hp_stream* stream, const hp_field* field, hp_update_rule rule, hp_moments** out);
HP_API void hp_moments_destroy(hp_moments* moments);
HP_API hp_status hp_moments_get_info(const hp_moments* moments, hp_moments_info* out);
/* To and from host memory: blocks (block_count) i64, ascending; values (block_count, block_values) f32. */
HP_API hp_status hp_moments_read(hp_stream* stream, const hp_moments* moments, const hp_tensor* blocks,
                                 const hp_tensor* values);
HP_API hp_status hp_moments_write(hp_stream* stream, hp_moments* moments, const hp_tensor* blocks,
                                  const hp_tensor* values);

/* One step of the field's values against their gradient, in place. The gradient stays as it is. OVERFLOW leaves the
 * values alone. voxels: how many have changed; may be NULL. */
HP_API hp_status hp_update_field(hp_stream* stream, hp_field* field, const hp_gradient* gradient, hp_moments* moments,
                                 const hp_update_desc* update, int64_t* voxels);

/* Adds to the gradient that of a total variation, of voxels whose gradient is not all zero:
 *   1/2 sum over channels c, voxels i and their neighbours j along the axes of weights[c] (v_ci - v_cj)^2
 * of which each voxel takes its own slope, weights[c] sum_j (v_ci - v_cj). */
HP_API hp_status hp_smooth_gradient(hp_stream* stream, const hp_field* field, hp_gradient* gradient,
                                    const double* weights /* (channels) */);

/* The same optimizers over arrays in host memory, f64: values (n), gradient (n), moments (n, 2). */
HP_API hp_status hp_update_array(hp_stream* stream, const hp_update_desc* update, int64_t n, double* values,
                                 const double* gradient, double* moments);

#ifdef __cplusplus
}
#endif

#endif /* HOTPATH_HP_H_ */

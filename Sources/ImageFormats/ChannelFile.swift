import Basics
import Imaging

/// One file of a case as a reader sees it, its voxels still encoded.
struct ChannelFile: Sendable {
  var image: EncodedImage
  /// Channels the file contributes, and their shape before re-orientation.
  var channels: Int
  var shape: Shape3D
  /// After re-orientation.
  var spacing: Vector3D
  var geometry: SourceGeometry
  /// How the voxels are re-arranged after decoding.
  var orientation = Orientation.identity

  /// Applies the rules of `reader`. Throws `badInput` when it does not take such a file.
  init(_ image: EncodedImage, reader: ImageReader) throws {
    self = try locating(image.path) {
      switch reader {
      case .simpleITK: try ChannelFile(itk: image, isReoriented: false)
      case .simpleITKReoriented: try ChannelFile(itk: image, isReoriented: true)
      case .nibabel: try ChannelFile(nibabel: image, isReoriented: false)
      case .nibabelReoriented: try ChannelFile(nibabel: image, isReoriented: true)
      case .naturalImage2D: try ChannelFile(picture: image)
      case .tiff3D: try ChannelFile(stack: image)
      }
    }
  }

  private init(itk image: EncodedImage, isReoriented: Bool) throws {
    guard image.components == 1 else {
      throw Failure(
        .badInput, "holds \(image.components) numbers per voxel", hint: "store each channel in a file of its own")
    }
    self.image = image
    var grid = try image.itkGeometry()
    let sizes = image.sizes
    var original: String?
    if isReoriented {
      guard sizes.count == 3 else {
        throw Failure(.badInput, "has \(sizes.count) dimensions; only 3D images can be re-oriented")
      }
      let code = Orientation.code(ofDirection: Matrix3(grid.direction))
      orientation = try Orientation(from: code, to: "RAS")
      grid = orientation.apply(to: grid, sizes: sizes)
      original = code
    }
    channels = sizes.count == 4 ? sizes[3] : 1
    shape = Shape3D(sizes.count > 2 ? sizes[2] : 1, sizes[1], sizes[0])
    let size = grid.spacing.map(abs)
    spacing =
      sizes.count == 2
      // nnU-Net's stand-in for the thickness of a picture.
      ? Vector3D(999 * max(size[0], size[1]), size[1], size[0]) : Vector3D(size[2], size[1], size[0])
    geometry = .itk(
      dimensions: sizes.count, spacing: grid.spacing, origin: grid.origin, direction: grid.direction,
      originalOrientation: original)
  }

  private init(nibabel image: EncodedImage, isReoriented: Bool) throws {
    guard let header = image.nifti else {
      throw Failure(.badInput, "is a \(image.format.rawValue) file; this reader takes NIfTI only")
    }
    guard header.dimensions.count == 3 else {
      throw Failure(.badInput, "has \(header.dimensions.count) dimensions; this reader takes 3D images only")
    }
    self.image = image
    self.image.voxels.conversion.rescale = try header.nibabelRescale()
    self.image.voxels.conversion.zeroesNonFinite = false
    let sizes = header.dimensions
    var affine = try header.nibabelAffine()
    var zooms = header.nibabelZooms
    var reoriented: [Double]?
    let original = affine.values
    if isReoriented {
      orientation = try Orientation(closestCanonical: affine)
      // A re-oriented image gets its voxel sizes from the affine; one that needs no turning keeps its header's.
      if !orientation.isIdentity {
        affine = orientation.apply(to: affine, sizes: sizes)
        zooms = (0..<3).map { Double(Float(affine.matrix.columnNorm($0))) }
      }
      reoriented = affine.values
    }
    channels = 1
    shape = Shape3D(sizes[2], sizes[1], sizes[0])
    spacing = Vector3D(zooms[2], zooms[1], zooms[0])
    geometry = .nifti(affine: original, reorientedAffine: reoriented)
  }

  private init(picture image: EncodedImage) throws {
    guard [.png, .tiff, .bmp].contains(image.format), image.sizes.count == 2 else {
      throw Failure(.badInput, "is no 2D picture; this reader takes .png, .tif and .bmp")
    }
    guard [1, 3, 4].contains(image.components) else {
      throw Failure(.badInput, "has \(image.components) numbers per pixel; grey, RGB and RGBA can be read")
    }
    self.image = image
    channels = image.components
    shape = Shape3D(1, image.sizes[1], image.sizes[0])
    spacing = Vector3D(999, 1, 1)
    geometry = .natural2D
  }

  private init(stack image: EncodedImage) throws {
    guard image.format == .tiff else { throw Failure(.badInput, "is no TIFF file; this reader takes .tif and .tiff") }
    self.image = image
    channels = 1
    let sizes = image.sizes
    switch (sizes.count, image.components) {
    case (3, 1): shape = Shape3D(sizes[2], sizes[1], sizes[0])
    case (2, 1): shape = Shape3D(1, sizes[1], sizes[0])
    // tifffile stores a stack that is 3 or 4 voxels wide as one colour picture.
    case (2, let width) where image.isInterleaved: shape = Shape3D(sizes[1], sizes[0], width)
    case (2, let depth): shape = Shape3D(depth, sizes[1], sizes[0])
    default: throw Failure(.badInput, "is a stack of colour pictures; this reader takes one number per voxel")
    }
    spacing = Vector3D(1, 1, 1)
    geometry = .tiff(spacing: spacing)
  }
}

import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension TaskCase {
  /// The files and the folder that are this case's alone.
  private var places: [String] {
    switch segmentation {
    case .file(let path), .folder(let path): [path] + [statistics].compactMap(\.self)
    case .none: [statistics].compactMap(\.self)
    }
  }

  /// The files that will be written.
  ///
  /// - Parameter masks: the names of the classes that get a file of their own in a folder.
  fileprivate func files(masks: [String]) -> [String] {
    guard case .folder(let folder) = segmentation else { return places }
    return masks.map { Path.join(folder, $0 + ".nii.gz") } + [statistics].compactMap(\.self)
  }

  /// The folders that these are in, or are.
  fileprivate var folders: [String] {
    switch segmentation {
    case .file(let path): [Path.split(path).folder] + statisticsFolder
    case .folder(let path): [path] + statisticsFolder
    case .none: statisticsFolder
    }
  }

  private var statisticsFolder: [String] { statistics.map { [Path.split($0).folder] } ?? [] }

  /// What is wrong with each case whose results would go where another image's go, as those of `a.nii` and `a.nii.gz` do;
  /// nil for the others.
  static func clashes(among cases: [TaskCase]) -> [Failure?] {
    var images: [String: [String]] = [:]
    for item in cases {
      for place in item.places where images[place]?.contains(item.image) != true {
        images[place, default: []].append(item.image)
      }
    }
    return cases.map { item in
      for place in item.places {
        guard let other = images[place]?.first(where: { $0 != item.image }) else { continue }
        return Failure(
          .badInput, "its result and that of \(other) would both be \(place)", file: item.image,
          hint: "rename one of the two images, or take it out of the folder")
      }
      return nil
    }
  }
}

extension TaskRun {
  /// Throws `usage` when a result would replace one of the images, or several images' results each other.
  func checkOutputs(of cases: [TaskCase]) throws {
    if options.probabilitiesPath != nil, Set(cases.map(\.image)).count > 1 {
      throw Failure(
        .usage, "one file cannot take the probabilities of a folder of images",
        hint: "leave --save_probabilities out, or segment the images one by one")
    }
    var masks = try ResultClasses(of: task, options, weights.catalogue).classes.map(\.name)
    if output.derivesMasks, task.steps.contains(.deriveBodyAndSkin) { masks += SegmentationWriter.bodyMasks }
    let outputs = cases.flatMap { $0.files(masks: masks) } + presentProbabilities
    guard let path = Path.firstOverwriting(cases.map(\.image), among: outputs) else { return }
    throw Failure(
      .usage, "a result would replace the image", file: path,
      hint: "choose another place with -o, --statistics or --save_probabilities")
  }

  /// Files whose names begin and end as those of probabilities do: how many there will be is known only with the image.
  private var presentProbabilities: [String] {
    guard let stem = options.probabilitiesStem else { return [] }
    let (folder, name) = Path.split(stem)
    return ((try? Path.list(folder)) ?? [])
      .filter { $0.hasPrefix(name) && [".npz", ".pkl"].contains(where: $0.hasSuffix) }
      .map { Path.join(folder, $0) }
  }
}

/// The folders that a run writes to, made before its first case: one that cannot be used is found out before hours of work.
struct OutputFolders {
  /// Those that were not there before, outermost first.
  private var made: [String] = []

  /// Throws `cannotWrite`, naming the folder.
  init(for cases: [TaskCase], _ options: TaskOptions) throws {
    var folders = cases.flatMap { item in
      item.folders.map { folder in
        // With several cases, a new folder of a case's own is made with its first file: its presence says that it is done.
        let (parent, name) = Path.split(folder)
        return cases.count > 1 && name == item.identifier && !Path.exists(folder) ? parent : folder
      }
    }
    if let stem = options.probabilitiesStem { folders.append(Path.split(stem).folder) }
    do {
      for folder in folders.uniqued {
        made += try Path.makeFolder(folder)
        // Goes at once; that it could be made says that files can.
        _ = try ScratchFolder(in: folder)
      }
    } catch {
      removeEmpty()
      throw error
    }
  }

  /// Removes folders that nothing came into.
  func removeEmpty() {
    for folder in made.reversed() { rmdir(folder) }
  }
}

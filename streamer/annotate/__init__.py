"""`annotate`: a picture, a folder of pictures, a video or a camera in; the same with maps, boxes and labels out.

Everything is written under a temporary name beside its place and renamed when it is whole, so that nothing half-written
ever carries the output's name. A folder or video that was interrupted goes on where it was.
"""

from django.contrib import admin
from django.urls import path

from conf import ways
from web import control, views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login", views.sign_in),
    path("logout", views.sign_out),
    path("whoami", views.whoami),
    path("touch", views.touch),
    path("slow", views.slow),
    path("stalled", views.whoami),
    path("expiry", views.expiry),
    path("password", views.password),
    path("control", control.control),
]

if ways.ON:
    urlpatterns += ways.urls()
